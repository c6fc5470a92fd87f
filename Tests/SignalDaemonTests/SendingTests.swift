// Closures that capture values which are not Sendable. The test is that they compile.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// A server that is not Sendable.
private final class Server {
    private let scene: Scene
    private let name: String

    init(_ name: String, _ scene: Scene) {
        self.scene = scene
        self.name = name
    }

    func close() { scene.step("closed \(name)") }
}

@Suite("Values that are not Sendable") struct SendingTests {
    @Test("Each closure of a daemon may capture a value that is not Sendable")
    func closures() async throws {
        let (report, scene) = try await simulate { scene in
            let lines = Server("the log", scene)
            let outer = Server("the body's", scene)
            return try await Daemon.run(
                onTransition: { if case .started = $0 { lines.close() } },
                onForcedExit: { _ in }
            ) { daemon in
                let listener = Server("the listener", scene)
                daemon.onGracefulShutdown { listener.close() }
                let store = Server("the store", scene)
                daemon.addCleanup("store") { store.close() }
                let configuration = Server("the configuration", scene)
                try daemon.onReload { configuration.close() }
                let worker = Server("the worker", scene)
                try daemon.addTask("worker") { worker.close() }
                let thread = Server("the thread", scene)
                try daemon.addThread("thread") { _ in thread.close() }
                let commit = Server("the commit", scene)
                try await daemon.shield("commit") { commit.close() }
                let health = Server("the health", scene)
                daemon.setWatchdogCheck {
                    health.close()
                    return true
                }
                try await daemon.reload()
                try await scene.wait(for: "closed the configuration")
                outer.close()
                daemon.shutdown()
            }
        } drive: { _ in
        }
        let expected = ["the log", "the listener", "the store", "the configuration", "the worker", "the thread"]
        for name in expected + ["the commit", "the body's"] {
            #expect(scene.steps.contains("closed \(name)"), "\(scene.steps)")
        }
        #expect(report.exitStatus == .code(0))
    }
}
