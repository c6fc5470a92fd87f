// A daemon ends in time although every thread of Swift and Dispatch is blocked.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// Prints the abandoned work and the durations. It waits for nothing.
private func printSummary(_ report: DaemonReport<Void>, _ scene: Scene) {
    let abandoned = report.outcomes.values.filter { $0.hasPrefix("abandoned") }.count
    let inTime =
        report.duration(of: .draining) >= .milliseconds(600) && report.duration(of: .cancelling) >= .milliseconds(400)
    say("\(scene.phases) \(abandoned) abandoned, in time: \(inTime)")
}

private func blockPool() {
    for _ in 0..<64 { Task.detached { hang() } }
}

/// Blocks every thread of Dispatch's, and the main queue.
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

private let fast = SignalPolicy.server.with(
    gracePeriod: .milliseconds(1500), cancelPeriod: .milliseconds(1500), cleanupPeriod: .milliseconds(1500))

@Suite("Code that hangs") struct StuckCodeTests {
    @Test(
        "64 tasks that block their threads, and a blocked Dispatch, do not delay the forced exit by more than a second")
    func everythingStuck() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(600), cancelPeriod: .milliseconds(400))
            let scene = Scene()
            _ = try await Daemon.run(
                policy: policy, onTransition: scene.watch, onForcedExit: { report in printSummary(report, scene) }
            ) { daemon in
                for index in 0..<64 { try daemon.addTask("t\(index)") { hang() } }
                blockDispatch()
                exitIfStillRunning(after: 1 + 1)
                kill(getpid(), SIGTERM)
                hang()
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("[draining, cancelling] 65 abandoned, in time: true"), "\(output)")
    }

    @Test("A body that ignores its cancellation is abandoned in time")
    func ignoresCancellation() async {
        let result = await #expect(processExitsWith: .signal(SIGINT), observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(500), cancelPeriod: .milliseconds(500))
            let scene = Scene()
            _ = try await Daemon.run(
                policy: policy, onTransition: scene.watch, onForcedExit: { report in printSummary(report, scene) }
            ) { daemon in
                try daemon.addTask("reacts") { try await untilCancelled() }
                let blocker = Blocker()
                exitIfStillRunning(after: 1 + 1)
                kill(getpid(), SIGINT)
                await blocker.wait()
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("[draining, cancelling] 1 abandoned"), "\(output)")
    }

    @Test("onForcedExit has half a second, and the process ends although it hangs")
    func onForcedExitHangs() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.server.with(gracePeriod: .zero, cancelPeriod: .milliseconds(100))
            _ = try await Daemon.run(
                policy: policy,
                onForcedExit: { _ in
                    say("forced")
                    usleep(200_000)  // less than it has
                    say("still there")
                    hang()
                }
            ) { _ in
                exitIfStillRunning(after: 0.1 + 0.5 + 1)
                kill(getpid(), SIGTERM)
                hang()
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("forced\nstill there\n"), "\(output)")
    }

    @Test("An onTransition that hangs does not delay the forced exit")
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
                exitIfStillRunning(after: 10)
                kill(getpid(), SIGTERM)
                while !hung.now { usleep(1000) }
                hang()
            }
        }
    }

    @Test(
        "A cancellation handler that hangs does not delay the end of a shutdown that the program began",
        arguments: ["failure", "request", "cancellation"])
    func hangingHandler(_ way: String) async {
        await #expect(processExitsWith: .exitCode(42)) { [way] in
            limit()
            let isUp = Shared(false)
            let hasActed = Shared(false)
            let task = Task {
                _ = try await Daemon.run(
                    policy: fast, onForcedExit: { _ in _exit(hasActed.now ? 42 : 3) }
                ) { daemon -> Void in
                    daemon.onGracefulShutdown { hasActed { $0 = true } }
                    try daemon.addTask("hangs when cancelled", onShutdown: .cancel) {
                        await withTaskCancellationHandler {
                            try? await Task.sleep(for: .seconds(1000))
                        } onCancel: {
                            Thread.sleep(forTimeInterval: 1000)
                        }
                    }
                    // After one second the daemon looks for displaced handlers, and then sleeps until it is woken.
                    try await Task.sleep(for: .seconds(2))
                    isUp { $0 = true }
                    switch way {
                    case "failure": throw Broken()
                    case "request": daemon.shutdown()
                    default: break
                    }
                    try await Task.sleep(for: .seconds(1000))
                }
            }
            if way == "cancellation" {
                #expect(await eventually { isUp.now })
                startThread { task.cancel() }
            }
            _ = try await task.value
        }
    }

    /// The phase in which the second signal comes, and whether it forces the exit.
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

    @Test("A second signal has its effect in every phase, whatever hangs", arguments: Second.allCases)
    func second(second: Second) async {
        let result = await #expect(
            processExitsWith: .signal(SIGINT), observing: [\.standardOutputContent]
        ) { [second] in
            limit()
            let policy = SignalPolicy.server.with(
                // Endless, except that a deadline leads to cancelling.
                gracePeriod: second.phase == .cancelling ? .milliseconds(50) : .seconds(1000),
                cancelPeriod: .seconds(1000), cleanupPeriod: .seconds(1000),
                secondSignal: second.forces ? .forceExit : .escalate, duplicateWindow: .zero)
            let scene = Scene()
            // On a thread, because no task would run.
            startThread {
                func wait(_ condition: () -> Bool) { while !condition() { usleep(1000) } }
                wait { scene.steps.contains("stuck") }
                if second.phase != .cleaningUp { kill(getpid(), SIGINT) }
                wait { scene.phases.last == second.phase }
                if second.phase == .cleaningUp { wait { scene.steps.contains("flush") } }
                kill(getpid(), SIGTERM)
                if second == .draining {
                    wait { scene.phases == [.draining, .cancelling] }
                    kill(getpid(), SIGTERM)
                }
            }
            _ = try await Daemon.run(
                policy: policy, onTransition: scene.watch,
                onForcedExit: { report in say("\(scene.responses) \(report.forcingSignal?.description ?? "-")") }
            ) { daemon in
                daemon.addCleanup("flush") {
                    scene.step("flush")
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

    @Test("A clean-up that blocks its thread does not delay the others, and is abandoned")
    func cleanupStuck() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.server.with(cleanupPeriod: .milliseconds(400))
            _ = try await Daemon.run(policy: policy, onForcedExit: { say("\($0)") }) { daemon in
                daemon.addCleanup("last") { say("last") }
                daemon.addCleanup("stuck") {
                    say("stuck")
                    exitIfStillRunning(after: 0.4 + 1)
                    hang()
                }
                kill(getpid(), SIGTERM)
                await daemon.shutdownRequested()
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.hasPrefix("stuck\nlast\n"), "\(output)")
        #expect(output.contains("timed out while cleaning up"), "\(output)")
        #expect(output.contains("cleanup stuck: abandoned") && output.contains("cleanup last: finished"), "\(output)")
    }

    @Test("A cancellation handler of a clean-up that hangs does not keep the others from running")
    func hangingCancellationOfACleanup() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            limit()
            _ = try await Daemon.run(policy: fast) { daemon in
                daemon.addCleanup("first registered") { say("the other clean-up ran") }
                daemon.addCleanup("hangs") {
                    await withTaskCancellationHandler {
                        try? await Task.sleep(for: .seconds(1000))
                    } onCancel: {
                        hang()
                    }
                }
                kill(getpid(), SIGTERM)
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("the other clean-up ran"), "\(output)")
    }

    @Test("Threads that do not stop are abandoned")
    func threadsStuck() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            limit()
            let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(200), cancelPeriod: .milliseconds(200))
            _ = try await Daemon.run(policy: policy, onForcedExit: { say("\($0)") }) { daemon in
                try daemon.addThread("stuck") { _ in hang() }
                try daemon.addThread("polite") { token in token.wait() }
                try daemon.addThread("impatient") { token in
                    while !token.isCancelled { usleep(1000) }
                    try token.checkCancellation()
                }
                exitIfStillRunning(after: 0.4 + 1)
                kill(getpid(), SIGTERM)
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        for text in ["stuck: abandoned", "polite: finished", "impatient: cancelled"] {
            #expect(output.contains("thread \(text)"), "\(output)")
        }
    }
}
