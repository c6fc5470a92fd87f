// Daemons put together and driven at random: each ends, and its report accounts for everything.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// The same numbers for the same seed.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func roll(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }
}

/// How a piece of work behaves.
private enum Behavior: CaseIterable {
    case returns, drains, reacts, ignores, fails, failsLate

    static func random(_ dice: inout SeededGenerator) -> Behavior { allCases[dice.roll(allCases.count)] }

    func run(_ daemon: Daemon, _ blocker: Blocker) async throws {
        switch self {
        case .returns: await Task.yield()
        case .drains: await daemon.shutdownRequested()
        case .reacts: try await untilCancelled()
        case .ignores: await blocker.wait()
        case .fails: throw Broken()
        case .failsLate:
            await daemon.shutdownRequested()
            throw Broken()
        }
    }
}

/// How much work the daemon has accepted.
private struct Accepted {
    var work = 1  // the body
    var cleanups = 0
    var actions = 0
}

/// Adds random work, and counts what the daemon accepted.
private func addRandomWork(
    _ daemon: Daemon, _ blocker: Blocker, _ accepted: Shared<Accepted>, _ dice: inout SeededGenerator
) {
    for index in 0..<dice.roll(8) {
        let behavior = Behavior.random(&dice)
        let style = [ShutdownBehavior.drain, .cancel, .complete][dice.roll(3)]
        do {
            switch dice.roll(5) {
            case 0:
                let limit: Duration? = dice.roll(3) == 0 ? .milliseconds(dice.roll(6000)) : nil
                let isAccepted = daemon.addCleanup("cleanup \(index)", within: limit) {
                    try await behavior.run(daemon, blocker)
                }
                if isAccepted { accepted { $0.cleanups += 1 } }
                continue
            case 1:
                daemon.onGracefulShutdown { try await behavior.run(daemon, blocker) }
                accepted { $0.actions += 1 }
                continue
            case 2:
                try daemon.addThread(
                    "thread \(index)", onShutdown: style, onFailure: dice.roll(2) == 0 ? .shutDown : .report
                ) { token in
                    if behavior == .fails { throw Broken() }
                    if behavior != .returns { token.wait() }
                    try token.checkCancellation()
                }
            default:
                try daemon.addTask(
                    "task \(index)", onShutdown: style, onFailure: dice.roll(4) == 0 ? .shutDown : .report,
                    after: dice.roll(3) == 0 ? "task \(dice.roll(8))" : nil
                ) {
                    try await behavior.run(daemon, blocker)
                }
            }
            accepted { $0.work += 1 }
        } catch {
            // A task may not wait for itself.
            if error.code != .shuttingDown, error.code != .invalidArgument { Issue.record(error) }
        }
    }
}

@Suite("Random scenarios") struct RandomScenarioTests {
    @Test("A random daemon under random signals ends, and its report accounts for everything")
    func scenarios() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for seed in 0..<flood(400) { group.addTask { try await run(seed: UInt64(seed)) } }
            try await group.waitForAll()
        }
    }

    private func run(seed: UInt64) async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let accepted = Shared(Accepted())
        let over = Shared(false)
        let (report, scene) = try await simulate { scene in
            var dice = SeededGenerator(state: seed)
            let policy = SignalPolicy.gunicorn.with(
                gracePeriod: .seconds(dice.roll(3) * 10),
                secondSignal: [.escalate, .forceExit, .ignored][dice.roll(3)],
                duplicateWindow: .milliseconds(dice.roll(2) * 500))
            let forBody = dice
            defer { over { $0 = true } }
            return try await Daemon.run(policy: policy, onTransition: scene.watch) { daemon in
                var dice = forBody
                addRandomWork(daemon, blocker, accepted, &dice)
                for _ in 0..<dice.roll(3) { await Task.yield() }
                if dice.roll(4) == 0 { daemon.shutdown() }
                addRandomWork(daemon, blocker, accepted, &dice)
                scene.step("up")
                try await Behavior.random(&dice).run(daemon, blocker)
            }
        } drive: { scene in
            var dice = SeededGenerator(state: ~seed)
            if dice.roll(4) > 0 { try await scene.wait("for the body") { over.now || scene.steps.contains("up") } }
            for _ in 0..<dice.roll(6) where !over.now {
                switch dice.roll(4) {
                case 0: try await Task.sleep(for: .microseconds(dice.roll(3000)))
                case 1: scene.simulator.advance(by: .milliseconds(dice.roll(12_000)))
                default:
                    let signal = [SignalNumber.sigterm, .sigint, .sigquit][min(dice.roll(6), 2) % 3]
                    // Without a subscriber a signal would end the simulated process for another reason.
                    if !over.now { _ = try sendIfHandled(signal, scene) }
                }
            }
            // Some work waits for a signal, and some clean-ups for the clock.
            let deadline = ContinuousClock.now + .seconds(60)
            var isAsked = false
            while !over.now, ContinuousClock.now < deadline {
                if !isAsked, scene.phases.isEmpty {
                    isAsked = try sendIfHandled(.sigterm, scene)
                }
                try await Task.sleep(for: .milliseconds(20))
                scene.simulator.advance(by: .seconds(3))
            }
        }
        check(report, scene, accepted.now, "seed \(seed)")
    }

    private func sendIfHandled(_ signal: SignalNumber, _ scene: Scene) throws -> Bool {
        guard disposition(of: signal) == .handler else { return false }
        try scene.send(signal)
        return true
    }

    private func check(_ report: DaemonReport<Void>, _ scene: Scene, _ accepted: Accepted, _ seed: String) {
        let order = DaemonPhase.allCases
        let phases = scene.phases.map { order.firstIndex(of: $0)! }
        #expect(phases == phases.sorted() && Set(phases).count == phases.count, "\(seed): \(scene.lines)")
        let actions = report.tasks.filter { $0.kind == .action }.count
        let cleanups = report.tasks.filter { $0.kind == .cleanup }.count
        #expect(report.tasks.count - actions - cleanups == accepted.work, "\(seed): \(report)")
        // A body that is abandoned goes on to register, and a forced end runs no clean-ups.
        if report.forcedExit == nil {
            #expect(cleanups == accepted.cleanups, "\(seed): \(report)")
            if scene.phases.contains(.draining) { #expect(actions == accepted.actions, "\(seed): \(report)") }
        }
        let duplicates = scene.responses.filter { $0 == .duplicate }.count
        let obeyed = scene.responses.count - duplicates
        #expect(report.duplicateSignals == duplicates && report.signals.count == obeyed, "\(seed): \(scene.lines)")
        let abandoned = report.tasks.filter { if case .abandoned = $0.outcome { true } else { false } }.count
        #expect((abandoned > 0) == (report.forcedExit != nil), "\(seed): \(report)")
        #expect(abandoned == 0 || report.tasks.suffix(abandoned).allSatisfy { $0.outcome.description == "abandoned" })
        let ended = scene.transitions.filter { if case .ended = $0 { true } else { false } }.count
        #expect(ended == report.tasks.count - abandoned, "\(seed): \(scene.lines)")
        #expect(
            scene.lines.filter { $0.hasPrefix("forced to exit: ") }.count == (report.forcedExit == nil ? 0 : 1),
            "\(seed)")
        let times = order.reduce(Duration.zero) { $0 + report.duration(of: $1) }
        #expect(times <= scene.simulator.now, "\(seed): \(report)")

        let failed = report.tasks.contains { if case .failed = $0.outcome { true } else { false } }
        let late = scene.transitions.contains { if case .cleanupTimedOut = $0 { true } else { false } }
        let expected: DaemonExitStatus =
            if report.forcedExit != nil {
                report.signal.map { .signal($0.signal) } ?? .code(1)
            } else if let hard = report.hardExit {
                .signal(hard.signal)
            } else if failed || late {
                .code(1)
            } else if case .signal(let event) = report.reason, event.signal == .sigint {
                .signal(.sigint)
            } else {
                .code(0)
            }
        #expect(report.exitStatus == expected, "\(seed): \(report)")
    }
}
