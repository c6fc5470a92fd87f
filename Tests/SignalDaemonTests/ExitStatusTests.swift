// The ends of daemons, as their parents see them.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// One way for a process to end.
enum Ending: String, Codable, CaseIterable {
    case terminated, interrupted, escalated, forcedBySecond, deadline, cleanupDeadline, hardExit, quit
    case failingTask, failingBody, failingCleanup, requested, requestedDeadline, cancelled, firstLoadFailed

    var expected: ExitTest.Condition {
        switch self {
        case .terminated, .escalated, .requested, .cancelled: .exitCode(0)
        case .interrupted, .forcedBySecond, .deadline: .signal(SIGINT)
        case .hardExit, .cleanupDeadline: .signal(SIGTERM)
        case .quit: .signal(SIGQUIT)
        case .failingTask, .failingBody, .failingCleanup, .requestedDeadline, .firstLoadFailed: .exitCode(1)
        }
    }

    /// Parts of the output. Without them, a death by an unhandled signal would look the same.
    var output: [String] {
        switch self {
        case .forcedBySecond: ["by SIGTERM", "death by SIGINT", "body: abandoned"]
        case .deadline: ["timed out while cancelling", "death by SIGINT", "body: abandoned"]
        case .cleanupDeadline: ["flush", "timed out while cleaning up", "death by SIGTERM", "cleanup flush: abandoned"]
        case .requestedDeadline: ["timed out while cancelling", "exit code 1"]
        case .interrupted: ["flush", "the end", "death by SIGINT"]
        case .hardExit: ["flush", "the end", "death by SIGTERM"]
        case .quit: ["flush", "the end", "death by SIGQUIT"]
        case .firstLoadFailed: ["the end", "exit code 1"]
        case .failingTask, .failingBody, .failingCleanup: ["flush", "the end", "failed: Broken()", "exit code 1"]
        case .terminated, .escalated, .requested, .cancelled: ["flush", "the end", "exit code 0"]
        }
    }

    private var policy: SignalPolicy {
        switch self {
        case .forcedBySecond: SignalPolicy.server.with(secondSignal: .forceExit, duplicateWindow: .zero)
        case .deadline, .requestedDeadline:
            SignalPolicy.server.with(gracePeriod: .milliseconds(100), cancelPeriod: .milliseconds(100))
        case .cleanupDeadline: SignalPolicy.server.with(cleanupPeriod: .milliseconds(100))
        case .hardExit, .quit: .uwsgiOnTerm
        default: .server.with(duplicateWindow: .zero)
        }
    }

    func run() async throws {
        let scene = Scene()
        let run: @Sendable () async throws -> DaemonReport<Void> = {
            try await Daemon.run(
                policy: policy, onTransition: scene.watch, onForcedExit: { say("\($0)") },
                load: { if self == .firstLoadFailed { throw Broken() } }
            ) { daemon, _ in
                try await work(daemon, scene)
            }
        }
        let report: DaemonReport<Void>
        if self == .cancelled {
            let task = Task { try await run() }
            try await scene.wait(for: "up")
            task.cancel()
            report = try await task.value
        } else {
            report = try await run()
        }
        print("\(report)\nthe end", terminator: "")  // only exit() flushes this
        report.exit()
    }

    private func work(_ daemon: Daemon, _ scene: Scene) async throws {
        daemon.addCleanup("flush") {
            say("flush")
            if self == .cleanupDeadline { hang() }
            if self == .failingCleanup { throw Broken() }
        }
        try daemon.addTask("task") {
            await daemon.shutdownRequested()
            if self == .failingTask { throw Broken() }
        }
        scene.step("up")
        switch self {
        case .terminated, .failingTask, .failingCleanup, .cleanupDeadline:
            kill(getpid(), SIGTERM)
            await daemon.shutdownRequested()
        case .interrupted:
            kill(getpid(), SIGINT)
            await daemon.shutdownRequested()
        case .escalated:
            kill(getpid(), SIGTERM)
            try await scene.wait(for: .draining)
            kill(getpid(), SIGTERM)
            try? await untilCancelled()
        case .forcedBySecond:
            kill(getpid(), SIGINT)
            try await scene.wait(for: .draining)
            kill(getpid(), SIGTERM)
            hang()
        case .deadline:
            kill(getpid(), SIGINT)
            hang()
        case .hardExit, .quit:
            kill(getpid(), self == .quit ? SIGQUIT : SIGTERM)
            try await untilCancelled()
        case .failingBody:
            throw Broken()
        case .requested:
            daemon.shutdown()
        case .requestedDeadline:
            daemon.shutdown()
            hang()
        case .cancelled:
            try await untilCancelled()
        case .firstLoadFailed:
            say("the body ran")
        }
    }
}

extension SignalPolicy {
    fileprivate static var uwsgiOnTerm: SignalPolicy {
        try! SignalPolicy(hardExit: [.sigquit, .sigterm], graceful: [.sigint], reload: [.sighup])
    }
}

@Suite("Exit statuses") struct ExitStatusTests {
    @Test("The parent sees the exit status of each ending", arguments: Ending.allCases)
    func endings(ending: Ending) async {
        let result = await #expect(
            processExitsWith: ending.expected, observing: [\.standardOutputContent]
        ) { [ending] in
            limit()
            try await ending.run()
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        for text in ending.output { #expect(output.contains(text), "\(output)") }
        #expect(!output.contains("the body ran"))
    }

    @Test("A body that returns waits for its tasks, and the exit code is 0")
    func bodyReturned() async {
        let result = await #expect(processExitsWith: .exitCode(0), observing: [\.standardOutputContent]) {
            limit()
            let report = try await Daemon.run { daemon in
                daemon.addCleanup("flush") { say("flush") }
                try daemon.addTask("task") {
                    try await Task.sleep(for: .milliseconds(50))
                    say("task")
                }
            }
            say("\(report.reason)")
            report.exit()
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("task\nflush\nall work was done\n"), "\(output)")
    }

    @Test("Ten tasks, three of which fail, and a shielded commit give exit code 1 and a complete report")
    func work() async {
        let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardOutputContent]) {
            limit()
            let scene = Scene()
            let report = try await Daemon.run(policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch) {
                daemon in
                for index in 0..<10 {
                    try daemon.addTask("t\(index)", onShutdown: index < 5 ? .drain : .cancel) {
                        if index < 5 { await daemon.shutdownRequested() } else { try await untilCancelled() }
                        if index < 3 { throw Broken() }
                    }
                }
                let value = try await withTaskCancellationHandler {
                    try await daemon.shield("commit") {
                        kill(getpid(), SIGTERM)
                        try await scene.wait(for: .draining)
                        kill(getpid(), SIGTERM)
                        try await scene.wait(for: "cancelled")
                        return Task.isCancelled ? "cut" : "whole"
                    }
                } onCancel: {
                    scene.step("cancelled")
                }
                return "\(value), \(Task.isCancelled)"
            }
            say("\(try report.result.get())")
            for name in ["commit"] + (0..<10).map({ "t\($0)" }) { say("\(name) \(report.outcomes[name] ?? "-")") }
            report.exit()
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        var lines = ["whole, true", "commit finished"]
        for index in 0..<10 {
            lines.append("t\(index) \(index < 3 ? "failed: Broken()" : index < 5 ? "finished" : "cancelled")")
        }
        #expect(output == lines.map { "\($0)\n" }.joined())
    }

    @Test("A signal that ends no process by default ends the daemon with 128 + signal when its exit is forced")
    func harmlessSignal() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.apache.with(gracePeriod: .milliseconds(50), cancelPeriod: .milliseconds(50))
            _ = try await Daemon.run(policy: policy, onForcedExit: { say("\($0)") }) { _ in
                kill(getpid(), SIGWINCH)
                hang()
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("timed out while cancelling"), "\(output)")
        #expect(result?.exitStatus != .exitCode(99), "it did not hang")
    }

    @Test("A daemon without reloads ends gracefully by HUP, and the exit code is 0")
    func noReload() async {
        let result = await #expect(processExitsWith: .exitCode(0), observing: [\.standardOutputContent]) {
            limit()
            let report = try await Daemon.run(onForcedExit: { _ in say("forced") }) { daemon in
                say("up")
                kill(getpid(), SIGHUP)
                await daemon.shutdownRequested()
                say("shutdown")
            }
            say("\(report.reason)")
            report.exit()
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.hasPrefix("up\nshutdown\nSIGHUP from pid "), "\(output)")
        #expect(!output.contains("forced"), "\(output)")
    }
}
