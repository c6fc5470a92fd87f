// The descriptor that takes a line when the daemon is ready, as s6 wants it.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// A pipe that no child of another test inherits.
private final class Pipe {
    let (input, output): (Int32, Int32)

    init() {
        var ends: [Int32] = [0, 0]
        #if os(Linux)
            typealias Pipe = @convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Int32
            let pipe2 = unsafeBitCast(dlsym(nil, "pipe2"), to: Pipe.self)  // which Swift does not import
            precondition(pipe2(&ends, O_CLOEXEC) == 0)
        #else
            precondition(pipe(&ends) == 0)
        #endif
        (input, output) = (ends[0], ends[1])
        _ = fcntl(input, F_SETFL, O_NONBLOCK)
    }

    deinit { close(input) }

    /// The bytes that came since the last call, and whether every writer has closed its end.
    func read() -> (text: String, isAtEnd: Bool) {
        var (bytes, text) = ([UInt8](repeating: 0, count: 64), "")
        while true {
            let count = Foundation.read(input, &bytes, bytes.count)
            if count <= 0 { return (text, count == 0) }
            text += String(decoding: bytes[..<count], as: UTF8.self)
        }
    }
}

@Suite("Readiness descriptors") struct ReadinessDescriptorTests {
    @Test(
        "The descriptor gets exactly one line, when the daemon is ready first, and is closed", arguments: [true, false])
    func line(hasSocket: Bool) async throws {
        let inbox = try Inbox()
        let pipe = Pipe()
        let supervisor = hasSocket ? Supervisor(socket: inbox.name) : .disabled
        let output = pipe.output
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                supervisor: supervisor.withReadinessDescriptor(output), onTransition: scene.watch
            ) { daemon in
                try daemon.onReload {}
                daemon.setStatus("starting")
                scene.step("starting")
                try await scene.wait(for: "looked")
                daemon.notifyReady()
                daemon.notifyReady()
                scene.step("ready")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "starting")
            #expect(pipe.read() == ("", false), "before the daemon is ready")
            scene.step("looked")
            try await scene.wait(for: "ready")
            #expect(pipe.read() == ("\n", true), "it is closed")
            try scene.send(.sighup)
            try await scene.wait(forLine: "reloaded")
            try scene.send(.sigterm)
        }
        #expect(report.exitStatus == .code(0))
        #expect(!scene.transitions.contains { if case .notificationFailed = $0 { true } else { false } })
        #expect(inbox.count("READY=1") == (hasSocket ? 3 : 0))
    }

    @Test("A file that got the number of the descriptor is neither written to nor closed")
    func reused() async throws {
        let (supervised, other) = (Pipe(), Pipe())
        let number = supervised.output
        let supervisor = Supervisor.disabled.withReadinessDescriptor(number)
        dup2(other.output, number)  // closes it, and gives its number to the other pipe
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(supervisor: supervisor, onTransition: scene.watch) { $0.notifyReady() }
        } drive: { _ in
        }
        let errors = scene.transitions.compactMap { if case .notificationFailed(let error) = $0 { error } else { nil } }
        #expect(errors.map(\.errnoCode) == [EBADF])
        close(other.output)
        #expect(other.read() == ("", false), "nothing came, and the number is still open")
        close(number)
    }

    @Test("A descriptor that cannot be written to is reported, and the daemon runs on")
    func refused() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                supervisor: .disabled.withReadinessDescriptor(-1), onTransition: scene.watch
            ) { daemon in
                daemon.notifyReady()
                daemon.notifyReady()
            }
        } drive: { _ in
        }
        let errors = scene.transitions.compactMap { if case .notificationFailed(let error) = $0 { error } else { nil } }
        #expect(errors.map(\.code) == [.systemCallFailed])
        #expect(errors.first?.errnoCode == EBADF)
        #expect(report.exitStatus == .code(0))
    }
}
