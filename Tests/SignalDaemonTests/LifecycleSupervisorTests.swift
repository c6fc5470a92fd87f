// What systemd is told, read from a socket as systemd reads it.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// A datagram socket, as a supervisor has it.
final class Inbox: Sendable {
    /// As `NOTIFY_SOCKET` has it.
    let name: String
    private let descriptor: Int32
    private let read = Shared<[String]>([])

    init(abstract: Bool = false) throws {
        let unique = "signalbridge-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        name = abstract ? "@\(unique)" : "/tmp/\(unique)"
        #if os(Linux)
            let kind = Int32(SOCK_DGRAM.rawValue)
        #else
            let kind = SOCK_DGRAM
        #endif
        let descriptor = socket(AF_UNIX, kind, 0)
        self.descriptor = descriptor
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(name.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { path in
            path.copyBytes(from: bytes)
            if abstract { path[0] = 0 }
        }
        let length = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + bytes.count + (abstract ? 0 : 1)
        let bound = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(length)) }
        }
        try #require(bound == 0, "bind: \(errno)")
    }

    deinit {
        close(descriptor)
        if name.hasPrefix("/") { unlink(name) }
    }

    /// All datagrams so far.
    var datagrams: [String] {
        read { read in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                if count < 0 { return read }
                read.append(String(decoding: buffer[..<count], as: UTF8.self))
            }
        }
    }

    /// The assignments in all of them.
    var lines: [String] { datagrams.flatMap { $0.split(separator: "\n").map(String.init) } }

    func count(_ line: String) -> Int { lines.filter { $0 == line }.count }

    func wait(for line: String, times: Int = 1, at location: SourceLocation = #_sourceLocation) async throws {
        let came = await eventually { count(line) >= times }
        try #require(came, "no \(line) in \(datagrams)", sourceLocation: location)
    }
}

let extend = "EXTEND_TIMEOUT_USEC=10000000"

@Suite struct LifecycleSupervisors {
    @Test("a supervisor is told in order, and is asked for time until the end", arguments: [false, true])
    func order(abstract: Bool) async throws {
        let inbox = try Inbox(abstract: abstract)
        let door = Door()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch) { daemon in
                daemon.addCleanup("hook") {
                    scene.step("hook")
                    try await untilCancelled()
                }
                daemon.setStatus("starting")
                daemon.notifyReady()
                daemon.setStatus("listening on ☎ = 80")
                await door.wait()
            }
        } drive: { scene in
            try await inbox.wait(for: "STATUS=listening on ☎ = 80")
            scene.simulator.advance(seconds: 100)
            #expect(inbox.datagrams == ["STATUS=starting", "READY=1", "STATUS=listening on ☎ = 80"])
            try scene.send(.sigterm)
            try await inbox.wait(for: extend)
            for times in 2...4 {
                scene.simulator.advance(seconds: 5)
                try await inbox.wait(for: extend, times: times)
            }
            door.open()
            try await scene.wait(for: "hook")
            scene.simulator.advance(seconds: 2)
        }
        #expect(report.forcedExit == nil)
        #expect(inbox.lines[3...] == ["STOPPING=1", extend, extend, extend, extend])
        scene.simulator.advance(seconds: 100)
        try await Task.sleep(for: .milliseconds(50))
        #expect(inbox.lines.count == 8, "silence after the end")
        #expect(!scene.transitions.contains { if case .notificationFailed = $0 { true } else { false } })
    }

    @Test("nobody is told that a daemon is ready that never says so")
    func neverReady() async throws {
        let inbox = try Inbox()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch) { daemon in
                try daemon.onReload { scene.step("reload") }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sighup)
            try await scene.wait(forLine: "reloaded")
            try scene.send(.sigterm)
        }
        #expect(report.reloads == 1)
        #expect(scene.steps.contains("reload"))
        #expect(inbox.lines == ["STOPPING=1", extend])
    }

    @Test("a reload is announced and done, whether it succeeds or not", arguments: [false, true])
    func reload(fails: Bool) async throws {
        let inbox = try Inbox()
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch) { daemon in
                try daemon.onReload {
                    try await inbox.wait(for: "RELOADING=1")
                    #expect(inbox.count("READY=1") == 1)
                    if fails { throw Broken() }
                }
                daemon.notifyReady()
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sighup)
            try await inbox.wait(for: "READY=1", times: 2)
            try scene.send(.sigterm)
        }
        #expect(scene.lines.contains("reloaded") != fails)
        let kinds = inbox.datagrams.map { $0.split(separator: "=")[0] }
        #expect(kinds[..<4] == ["READY", "RELOADING", "READY", "STOPPING"])
        let parts = inbox.datagrams[1].split(separator: "\n")
        #expect(parts.count == 2 && parts[0] == "RELOADING=1", "both in one datagram")
        #expect(parts.last?.hasPrefix("MONOTONIC_USEC=") == true)
    }

    @Test("a restart is a reload, ready again when the new body says so, and no end")
    func restart() async throws {
        let inbox = try Inbox()
        let calls = Shared(0)
        let door = Door()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch,
                load: {
                    calls { calls in
                        calls += 1
                        return calls
                    }
                }
            ) { daemon, version in
                scene.step("body \(version)")
                if version == 2 { await door.wait() }
                daemon.notifyReady()
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await inbox.wait(for: "READY=1")
            try scene.send(.sighup)
            try await scene.wait(for: "body 2")
            try await inbox.wait(for: "RELOADING=1")
            try await Task.sleep(for: .milliseconds(50))
            #expect(inbox.count("READY=1") == 1, "the new body is not ready yet")
            door.open()
            try await inbox.wait(for: "READY=1", times: 2)
            #expect(inbox.count("STOPPING=1") == 0)
            try scene.send(.sigterm)
        }
        #expect(report.reloads == 1)
        #expect(inbox.count("STOPPING=1") == 1)
        #expect(inbox.count("RELOADING=1") == 1)
        #expect(scene.simulator.forcedExit == nil)
    }

    @Test("a status is one line, and cannot say anything else")
    func injection() async throws {
        let inbox = try Inbox()
        let (report, _) = try await simulate { scene in
            try await Daemon.run(supervisor: Supervisor(socket: inbox.name), onTransition: scene.watch) { daemon in
                daemon.setStatus("one\nMAINPID=1\nSTOPPING=1")
                try daemon.addTask("task") { await daemon.shutdownRequested() }
                scene.step("up")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            let came = await eventually { inbox.lines.contains { $0.hasPrefix("STATUS=one") } }
            #expect(came)
            #expect(inbox.lines.allSatisfy { $0.hasPrefix("STATUS=") }, "\(inbox.datagrams)")
            try scene.send(.sigterm)
        }
        #expect(report.exitStatus == .code(0))
    }

    static let nobody = [
        "/nonexistent/socket", "@signalbridge-nobody", "relative", "/" + String(repeating: "x", count: 200),
    ]

    @Test("a supervisor that cannot be reached is reported, and disturbs nothing", arguments: nobody)
    func unreachable(socket: String) async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                supervisor: Supervisor(socket: socket, watchdog: .seconds(1)), onTransition: scene.watch
            ) { daemon in
                daemon.addCleanup("hook") { scene.step("hook") }
                daemon.notifyReady()
                scene.step("up")
                await daemon.shutdownRequested()
                return 3
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try await scene.wait("for a failure") {
                scene.transitions.contains { if case .notificationFailed = $0 { true } else { false } }
            }
            try scene.send(.sigterm)
        }
        #expect(try report.result.get() == 3)
        #expect(report.outcomes == ["body": "finished", "hook": "finished"])
        #expect(report.exitStatus == .code(0))
        let errors = scene.transitions.compactMap { if case .notificationFailed(let error) = $0 { error } else { nil } }
        #expect(errors.allSatisfy { $0.description.contains(socket) }, "\(errors)")
    }
}
