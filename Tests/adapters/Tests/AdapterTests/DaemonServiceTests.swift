// A daemon as a service of a ServiceGroup that the program makes.
import Logging
import ServiceLifecycle
import SignalBridge
import SignalDaemon
import Testing

let silent = Logger(label: "silent") { _ in SwiftLogNoOpLogHandler() }

@Suite("A daemon in a ServiceGroup", .timeLimit(.minutes(2))) struct DaemonServiceTests {
    private let steps = Steps()

    /// Runs a group, drives it, and returns what its `run()` threw.
    private func run(
        _ services: [any Service], drive: (ServiceGroup, Task<Void, any Error>) async throws -> Void
    ) async throws -> (any Error)? {
        let group = ServiceGroup(services: services, logger: silent)
        let running = Task { try await group.run() }
        do {
            try await drive(group, running)
        } catch {
            running.cancel()
            throw error
        }
        do {
            try await running.value
            return nil
        } catch {
            return error
        }
    }

    @Test("In a group that shuts down already, the daemon starts before it ends")
    func toldBefore() async throws {
        for _ in 0..<50 {
            let transitions = Steps()
            let daemon = DaemonService(onTransition: { transitions.add("\($0)") }) { daemon in
                await daemon.shutdownRequested()
            }
            let group = ServiceGroup(services: [daemon], logger: silent)
            await group.triggerGracefulShutdown()
            try await group.run()
            #expect(transitions.all.first == "started", "\(transitions.all)")
        }
    }

    @Test("The group's graceful shutdown shuts the daemon down in its turn, and the group goes on when that has ended")
    func shutsDown() async throws {
        let daemon = DaemonService(onReport: { [steps] in steps.add("report: \($0.reason)") }) { [steps] daemon in
            try daemon.addTask("task") {
                await daemon.shutdownRequested()
                steps.add("task drains")
            }
            daemon.addCleanup("clean-up") { steps.add("clean-up") }
            steps.add("up")
            await daemon.shutdownRequested()
        }
        let error = try await run(
            [Obedient(name: "before", steps: steps), daemon, Obedient(name: "behind", steps: steps)]
        ) { group, _ in
            for step in ["up", "before runs", "behind runs"] { try await steps.wait(for: step) }
            await group.triggerGracefulShutdown()
        }
        #expect(error == nil)
        #expect(
            steps.inOrder(
                "behind is told", "task drains", "clean-up", "report: \(ShutdownReason.requested)", "before is told"))
    }

    @Test("The group's cancellation cancels the daemon's work")
    func isCancelled() async throws {
        let daemon = DaemonService(onReport: { [steps] in steps.add("report: \($0.reason)") }) { [steps] daemon in
            steps.add("up")
            do {
                try await Task.sleep(for: .seconds(3600))
            } catch {
                steps.add("cancelled")
                throw error
            }
        }
        _ = try await run([daemon]) { _, running in
            try await steps.wait(for: "up")
            running.cancel()
        }
        #expect(steps.all == ["up", "cancelled", "report: \(ShutdownReason.cancelled)"])
    }

    @Test("The failure of the body, or of a task, is the service's", arguments: [true, false])
    func fails(_ inBody: Bool) async throws {
        let daemon = DaemonService { daemon in
            if inBody { throw Broken() }
            try daemon.addTask("task") { throw Broken() }
            await daemon.shutdownRequested()
        }
        let error = try await run([Obedient(name: "other", steps: steps), daemon]) { _, _ in }
        #expect(error is Broken)
    }

    @Test("When the policy's time is over, the work is abandoned, the final actions run, and the process lives on")
    func isAbandoned() async throws {
        let door = Door()
        defer { door.open() }
        let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(20), cancelPeriod: .milliseconds(20))
        let daemon = DaemonService(policy: policy) { [steps] daemon in
            daemon.atExit { steps.add("final action") }
            steps.add("up")
            await door.wait()
        }
        let error = try await run([daemon]) { group, _ in
            try await steps.wait(for: "up")
            await group.triggerGracefulShutdown()
        }
        #expect((error as? SignalBridgeError)?.code == .forcedExit)
        #expect(steps.all == ["up", "final action"])
    }

    @Test("The daemon takes no signal, and then has nothing to reload")
    func hasNoSignals() async throws {
        let before = try SignalNumber.sigterm.disposition
        let daemon = DaemonService { [steps] daemon in
            #expect(throws: SignalBridgeError.self) { try daemon.onReload {} }
            let now = try SignalNumber.sigterm.disposition
            #expect(now == before)
            steps.add("checked")
        }
        _ = try await run([daemon]) { _, _ in try await steps.wait(for: "checked") }
    }

    @Test(
        "In a group in a daemon in a group, a service after other work hears of the shutdown when that work has ended")
    func comesAfter() async throws {
        let door = Door()
        let daemon = DaemonService { [steps] daemon in
            try daemon.addTask("server") {
                await daemon.shutdownRequested()
                await door.wait()
                steps.add("server ended")
            }
            try daemon.addService("worker", Obedient(name: "worker", steps: steps), after: "server")
            try daemon.addService("other", Obedient(name: "other", steps: steps))
        }
        let error = try await run([daemon]) { group, _ in
            try await steps.wait(for: "worker runs")
            try await steps.wait(for: "other runs")
            await group.triggerGracefulShutdown()
            try await steps.wait(for: "other is told")
            door.open()
        }
        #expect(error == nil)
        #expect(steps.inOrder("other is told", "server ended", "worker is told"))
    }

    @Test("The daemon can have signals of its own, such as the SIGHUP of a reload")
    func reloads() async throws {
        try await withSimulatedSignals { simulator in
            let policy = try SignalPolicy(reload: [.sighup])
            let daemon = DaemonService(policy: policy, takesSignals: true) { [steps] daemon in
                try daemon.onReload { steps.add("reloaded") }
                daemon.notifyReady()
                await daemon.shutdownRequested()
            }
            let error = try await run([daemon]) { group, _ in
                await simulator.waitUntilReady()
                try simulator.send(.sighup)
                try await steps.wait(for: "reloaded")
                await group.triggerGracefulShutdown()
            }
            #expect(error == nil)
        }
    }
}
