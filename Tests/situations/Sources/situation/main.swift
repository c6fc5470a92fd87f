// A daemon in the situations that users reported. The first argument names the situation; run.py starts the daemon,
// signals it and checks its output.
import Dispatch
import Foundation
import SignalBridge
import SignalDaemon

struct Failed: Error, CustomStringConvertible { let description = "no database" }

@Sendable func say(_ text: String) {
    FileHandle.standardOutput.write(Data("\(text)\n".utf8))
}

@Sendable func log(_ transition: DaemonTransition) {
    say("# \(transition)")
}

/// A server that needs a second to drain.
@Sendable func serve(_ daemon: Daemon) async throws {
    daemon.addCleanup("flush") { say("cleaned up") }
    daemon.notifyReady()
    say("ready")
    await daemon.shutdownRequested()
    try await Task.sleep(for: .seconds(1))
    say("drained")
}

/// Work that ignores everything.
@Sendable func hang() async {
    while true { try? await Task.sleep(for: .seconds(1000)) }
}

func installHandler() {
    signal(SIGTERM) { _ in }
    say("displaced")
}

nonisolated(unsafe) var source: (any DispatchSourceSignal)?

func makeSource() {
    source = DispatchSource.makeSignalSource(signal: SIGTERM, queue: .global())
    source!.setEventHandler {}
    source!.activate()
    usleep(200_000)
    say("displaced")
}

let quick = SignalPolicy.server.with(
    gracePeriod: .milliseconds(500), cancelPeriod: .milliseconds(500), cleanupPeriod: .milliseconds(500))
let mode = CommandLine.arguments.dropFirst().first ?? ""

switch mode {
case "drains": await Daemon.main(onTransition: log, serve)
case "drains-as-tool":
    await Daemon.main(policy: .server.with(secondSignal: .forceExit), onTransition: log, serve)

case "reads-stdin":
    Thread.detachNewThread { while readLine() != nil {} }
    usleep(100_000)
    await Daemon.main { _ in print("printed") }
case "prints-into-full-pipe":
    let report = try await Daemon.run { _ in
        Thread.detachNewThread { while true { print(String(repeating: "x", count: 4096)) } }
        try await Task.sleep(for: .milliseconds(300))
    }
    report.exit()
case "hangs-at-exit":
    atexit { while true { sleep(1000) } }
    await Daemon.main { _ in }
case "prints-errors-into-full-pipe":
    await Daemon.main { daemon in
        for number in 1...2000 {
            try daemon.addTask("task \(number) \(String(repeating: "x", count: 100))", onFailure: .report) {
                throw Failed()
            }
        }
    }

case "reopens-logs":
    await Daemon.main { daemon in
        let count = Counter()
        try daemon.onSignal(.sigusr1) { event in say("reopened \(count.next()) for \(event.sender?.processID ?? 0)") }
        try daemon.onSignal(.sigusr2) { _ in await hang() }
        try await serve(daemon)
    }

case "starts-slowly":
    await Daemon.main(onTransition: log) { daemon in
        daemon.addCleanup("flush") { say("cleaned up") }
        say("starting")
        try await daemon.startup { try await Task.sleep(for: .seconds(600)) }
    }
case "captures-early":
    let early = try SignalPolicy.server.captureSignals()
    say("captured")
    sleep(1)
    let report = try await Daemon.run(takingOver: early, onTransition: log) { daemon in
        await daemon.shutdownRequested()
        say("drained")
    }
    say("signals \(report.signals.count), duplicates \(report.duplicateSignals)")
    report.exit()

case "handler-before":
    installHandler()
    await Daemon.main(onTransition: log, serve)
case "handler-while-starting":
    await Daemon.main(onTransition: log) { daemon in
        installHandler()
        try await serve(daemon)
    }
case "handler-later":
    await Daemon.main(onTransition: log) { daemon in
        Thread.detachNewThread {
            usleep(500_000)
            installHandler()
        }
        try await serve(daemon)
    }
case "source-before":
    makeSource()
    await Daemon.main(onTransition: log, serve)
case "source-while-starting":
    await Daemon.main(onTransition: log) { daemon in
        makeSource()
        try await serve(daemon)
    }
case "source-later":
    await Daemon.main(onTransition: log) { daemon in
        Thread.detachNewThread {
            usleep(500_000)
            makeSource()
        }
        try await serve(daemon)
    }

case "throws": await Daemon.main { _ in throw Failed() }
case "adopts":
    await Daemon.main(policy: quick) { daemon in
        for leads in [false, true] {
            let child = Process()
            child.executableURL = URL(fileURLWithPath: "/bin/sh")
            child.arguments = ["-c", "\(leads ? "exec setsid -w" : "exec") sleep 600"]
            try child.run()
            try daemon.adoptChild(child.processIdentifier)
            say("child \(child.processIdentifier)")
        }
        say("ready")
        await hang()
    }
case "has-children":
    await Daemon.main { daemon in
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/bin/sh")
        child.arguments = ["-c", "echo child: $NOTIFY_SOCKET $WATCHDOG_USEC."]
        try child.run()
        child.waitUntilExit()
        daemon.notifyReady()
    }
case "restores-terminal":
    await Daemon.main(policy: quick) { daemon in
        daemon.atExit { say("restored") }
        say("ready")
        if CommandLine.arguments.contains("hang") { await hang() }
        await daemon.shutdownRequested()
    }
case "restores-nothing":
    await Daemon.main(policy: quick) { daemon in
        daemon.atExit { while true { sleep(1000) } }
        say("ready")
        await hang()
    }
case "exits-75":
    await Daemon.main(policy: quick) { daemon in
        daemon.shutdown(exitCode: 75)
        if CommandLine.arguments.contains("hang") { await hang() }
    }
case "reloads":
    await Daemon.main(onTransition: log) { daemon in
        try daemon.onReload {
            if CommandLine.arguments.contains("fails") { throw Failed() }
            say("reloaded")
        }
        try await serve(daemon)
    }
case "has-parts":
    await Daemon.main(onTransition: log) { daemon in
        try daemon.addPart("server") { part in
            part.addCleanup("server") { say("server cleaned up") }
            await part.shutdownRequested()
            try await Task.sleep(for: .milliseconds(300))
            say("server done")
        }
        let search = try daemon.addPart("search", after: "server") { part in
            part.addCleanup("search") { say("search cleaned up") }
            await part.shutdownRequested()
            say("search told")
        }
        if CommandLine.arguments.contains("alone") { search.shutdown() }
        try await serve(daemon)
    }
case "chaos": try await Chaos().run(UInt64(CommandLine.arguments[2])!)
default: fatalError("no such situation: \(mode)")
}

final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0
    func next() -> Int {
        lock.withLock {
            count += 1
            return count
        }
    }
}
