// The end comes in time though every thread of Swift and Dispatch is blocked, and a second signal is heard at every moment.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite struct LifecycleStuck {
    @Test("64 tasks block their threads, and so does all of Dispatch: forced within the deadline plus one second")
    func everythingStuck() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(600), cancelPeriod: .milliseconds(400))
            let scene = Scene()
            _ = try await Daemon.run(
                policy: policy, onTransition: scene.watch, onForce: { report in tell(report, scene) }
            ) { daemon in
                for index in 0..<64 { try daemon.addTask("t\(index)") { hang() } }
                blockDispatch()
                overdue(after: 1 + 1)
                kill(getpid(), SIGTERM)
                hang()
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("[draining, cancelling] 65 abandoned, in time: true"), "\(output)")
    }

    @Test("a body that ignores cancellation is abandoned in time, with the pool free")
    func ignoresCancellation() async {
        let result = await #expect(processExitsWith: .signal(SIGINT), observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(500), cancelPeriod: .milliseconds(500))
            let scene = Scene()
            _ = try await Daemon.run(
                policy: policy, onTransition: scene.watch, onForce: { report in tell(report, scene) }
            ) { daemon in
                try daemon.addTask("reacts") { try await untilCancelled() }
                let door = Door()
                overdue(after: 1 + 1)
                kill(getpid(), SIGINT)
                await door.wait()
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("[draining, cancelling] 1 abandoned"), "\(output)")
    }

    @Test("onForce has half a second, and the process ends though it hangs")
    func onForceHangs() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.server.with(gracePeriod: .zero, cancelPeriod: .milliseconds(100))
            _ = try await Daemon.run(
                policy: policy,
                onForce: { _ in
                    say("forced")
                    usleep(200_000)  // less than it has
                    say("still there")
                    hang()
                }
            ) { _ in
                overdue(after: 0.1 + 0.5 + 1)
                kill(getpid(), SIGTERM)
                hang()
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("forced\nstill there\n"), "\(output)")
    }

    @Test("an onTransition that hangs does not keep the process from its end")
    func onTransitionHangs() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(100), cancelPeriod: .milliseconds(100))
            let hung = Shared(false)
            _ = try await Daemon.run(
                policy: policy,
                onTransition: { transition in
                    guard case .entered = transition else { return }
                    hung { $0 = true }
                    hang()
                }
            ) { _ in
                overdue(after: 10)
                kill(getpid(), SIGTERM)
                while !hung.now { usleep(1000) }
                hang()
            }
        }
    }

    /// When the second signal comes, and what the policy makes of it.
    enum Second: String, Codable, CaseIterable {
        case draining, cancelling, cleaning, drainingForces, cancellingForces, cleaningForces

        var phase: DaemonPhase {
            switch self {
            case .draining, .drainingForces: .draining
            case .cancelling, .cancellingForces: .cancelling
            case .cleaning, .cleaningForces: .cleaningUp
            }
        }
        var forces: Bool { rawValue.hasSuffix("Forces") }
    }

    @Test("a second signal is heard at every moment, whatever is stuck", arguments: Second.allCases)
    func second(second: Second) async {
        let result = await #expect(
            processExitsWith: .signal(SIGINT), observing: [\.standardOutputContent]
        ) { [second] in
            limit()
            let policy = SignalPolicy.server.with(
                // Not the deadlines: they are too far away. Only cancelling is reached by one.
                gracePeriod: second.phase == .cancelling ? .milliseconds(50) : .seconds(1000),
                cancelPeriod: .seconds(1000), cleanupPeriod: .seconds(1000),
                secondSignal: second.forces ? .forceExit : .escalate)
            let scene = Scene()
            // A plain thread, for no task would run.
            startThread {
                func wait(_ condition: () -> Bool) { while !condition() { usleep(1000) } }
                wait { scene.steps.contains("stuck") }
                if second.phase != .cleaningUp { kill(getpid(), SIGINT) }
                wait { scene.phases.last == second.phase }
                if second.phase == .cleaningUp { wait { scene.steps.contains("hook") } }
                kill(getpid(), SIGTERM)
                if second == .draining {
                    wait { scene.phases == [.draining, .cancelling] }
                    kill(getpid(), SIGTERM)
                }
            }
            _ = try await Daemon.run(
                policy: policy, onTransition: scene.watch,
                onForce: { report in say("\(scene.responses) \(report.forcingSignal?.description ?? "-")") }
            ) { daemon in
                daemon.addCleanup("hook") {
                    scene.step("hook")
                    blockPool()
                    hang()
                }
                scene.step("stuck")
                if second.phase == .cleaningUp {
                    kill(getpid(), SIGINT)
                    await daemon.shutdownRequested()
                } else {
                    blockPool()
                    blockDispatch()
                    hang()
                }
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        let responses: [DaemonTransition.Response] =
            second == .draining ? [.beganShutdown, .escalated, .forcedExit] : [.beganShutdown, .forcedExit]
        #expect(output.contains("\(responses) SIGTERM"), "\(output)")
    }

    @Test("a hook that blocks its thread does not hold up the others, and is abandoned")
    func hookStuck() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.server.with(cleanupPeriod: .milliseconds(400))
            _ = try await Daemon.run(policy: policy, onForce: { say("\($0)") }) { daemon in
                daemon.addCleanup("last") { say("last") }
                daemon.addCleanup("stuck") {
                    say("stuck")
                    overdue(after: 0.4 + 1)
                    hang()
                }
                kill(getpid(), SIGTERM)
                await daemon.shutdownRequested()
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.hasPrefix("stuck\nlast\n"), "\(output)")
        #expect(output.contains("timed out while cleaning up"), "\(output)")
        #expect(output.contains("hook stuck: abandoned") && output.contains("hook last: finished"), "\(output)")
    }

    @Test("threads that do not stop are abandoned")
    func threadsStuck() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(200), cancelPeriod: .milliseconds(200))
            _ = try await Daemon.run(policy: policy, onForce: { say("\($0)") }) { daemon in
                try daemon.addThread("stuck") { _ in hang() }
                try daemon.addThread("polite") { token in token.wait() }
                try daemon.addThread("impatient") { token in
                    while !token.isCancelled { usleep(1000) }
                    try token.checkCancellation()
                }
                overdue(after: 0.4 + 1)
                kill(getpid(), SIGTERM)
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        for text in ["stuck: abandoned", "polite: finished", "impatient: cancelled"] {
            #expect(output.contains("thread \(text)"), "\(output)")
        }
    }
}

/// Waits for nothing that may be stuck.
private func tell(_ report: DaemonReport<Void>, _ scene: Scene) {
    let abandoned = report.outcomes.values.filter { $0.hasPrefix("abandoned") }.count
    let inTime =
        report.duration(of: .draining) >= .milliseconds(600) && report.duration(of: .cancelling) >= .milliseconds(400)
    say("\(scene.phases) \(abandoned) abandoned, in time: \(inTime)")
}

private func blockPool() {
    for _ in 0..<64 { Task.detached { hang() } }
}

/// Every thread of Dispatch's, and the main queue.
private func blockDispatch() {
    for _ in 0..<128 {
        for quality in [DispatchQoS.QoSClass.userInteractive, .userInitiated, .default, .utility, .background] {
            DispatchQueue.global(qos: quality).async { hang() }
        }
        DispatchQueue(label: "stuck").async { hang() }
    }
    DispatchQueue.main.async { hang() }
    usleep(200_000)
}
