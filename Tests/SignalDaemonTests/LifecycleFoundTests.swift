// What was found once in the lifecycle, by review, and must not come back: decisions, and simulations.
import Foundation
import TestSupport
import Testing

@testable import SignalBridge
@testable import SignalDaemon

/// Runs what is resumed at once, where it is resumed.
private final class Inline: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) { job.runSynchronously(on: asUnownedTaskExecutor()) }
}

@Suite struct LifecycleFound {
    @Test("1b: a signal sent as soon as there is a subscriber ends the daemon")
    func signalBehindSubscribing() async throws {
        try await withSimulatedSignals { simulator in
            let sender = Task(executorPreference: Inline()) {
                await simulator.waitForSubscriber(of: .sigterm)
                try simulator.send(.sigterm)  // before the call has returned that subscribes
            }
            let ended = Shared(false)
            let daemon = Task {
                defer { ended { $0 = true } }
                return try await Daemon.run { daemon in await daemon.shutdownRequested() }
            }
            #expect(await eventually { ended.now })
            simulator.advance(by: .zero)  // wakes it, if it slept
            #expect(try await daemon.value.signals.map(\.signal) == [.sigterm])
            try await sender.value
        }
    }

    @Test("1b: a signal sent as soon as onReload has subscribed reloads")
    func signalBehindOnReload() async throws {
        let reloads = Shared(0)
        let (report, _) = try await simulate { scene in
            try await Daemon.run { daemon in
                let sender = Task(executorPreference: Inline()) {
                    await scene.simulator.waitForSubscriber(of: .sighup)
                    try scene.send(.sighup)
                }
                try daemon.onReload { reloads { $0 += 1 } }
                try await sender.value
                scene.step("subscribed")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "subscribed")
            #expect(await eventually { reloads.now == 1 })
            try scene.send(.sigterm)
        }
        #expect(report.reason.description.hasPrefix("SIGTERM"))
        #expect(reloads.now == 1)
    }

    @Test("1c: what follows from a signal is said when send returns, also while another thread is in onTransition")
    func saidWhenSendReturns() async throws {
        let isInside = Shared(false)
        _ = try await simulate { scene in
            try await Daemon.run(onTransition: { transition in
                if case .ended(let task) = transition, task.name == "quick" {
                    isInside { $0 = true }
                    usleep(500_000)
                }
                scene.watch(transition)
            }) { daemon in
                try daemon.addThread("quick") { _ in }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait("for the slow onTransition") { isInside.now }
            try scene.send(.sigterm)
            #expect(scene.phases.contains(.draining), "\(scene.lines)")
        }
    }

    @Test("8: what is registered after the end is not kept")
    func registeredLate() async throws {
        final class Thing: Sendable {}
        struct Weak: @unchecked Sendable { weak var thing: Thing? }
        func register(_ daemon: Daemon) -> Weak {
            let thing = Thing()
            daemon.setWatchdogCheck { withExtendedLifetime((daemon, thing)) { true } }
            daemon.onGracefulShutdown { withExtendedLifetime((daemon, thing)) {} }
            daemon.addCleanup("late") { withExtendedLifetime((daemon, thing)) {} }
            return Weak(thing: thing)
        }
        let daemon = Shared<Daemon?>(nil)
        try await withSimulatedSignals { _ in
            _ = try await Daemon.run { running in daemon { $0 = running } }
        }
        let registered = register(daemon.now!)
        daemon { $0 = nil }
        #expect(await eventually { registered.thing == nil })
    }

    @Test("a simulation's clock does not go back")
    func clock() async {
        await withSimulatedSignals { simulator in
            simulator.advance(by: .seconds(5))
            simulator.advance(by: .seconds(-3))
            simulator.advance(by: .seconds(Int64.min))
            #expect(simulator.now == .seconds(5))
        }
    }
}

/// A ladder, the time, and what was answered, as short words.
private struct Climb {
    var ladder: Ladder
    var now = Duration.zero

    init(_ policy: SignalPolicy = .server) { ladder = Ladder(policy, at: .zero) }

    @discardableResult
    mutating func signal(_ signal: SignalNumber) -> [Ladder.Action] {
        ladder.signal(SignalEvent(signal, count: 1, sender: nil, value: nil, nanoseconds: 0), at: now)
    }

    mutating func wait(_ duration: Duration) -> [String] {
        now += duration
        return words(ladder.tick(at: now))
    }

    @discardableResult
    mutating func end(_ id: Int, _ error: (any Error)? = nil) -> [String] { words(ladder.ended(id, error, at: now)) }

    mutating func task() -> Int {
        ladder.add("task", .task, .drain, endsDaemon: false, generation: 0, at: now)!
    }

    mutating func hook(_ name: String) -> Int { ladder.addHook(name, generation: 0, at: now)!.id }
}

/// What is done, and not only said.
private func words(_ actions: [Ladder.Action]) -> [String] {
    actions.compactMap { action in
        switch action {
        case .start(let id): "start \(id)"
        case .cancel(let id): "cancel \(id)"
        case .force: "force"
        case .finish: "finish"
        default: nil
        }
    }
}

@Suite struct LadderFound {
    @Test("1d: what the end of a task costs does not grow with the number of tasks")
    func costOfEnding() {
        /// The shortest of many, so nothing that happens beside it counts.
        func cost(beside count: Int) -> Duration {
            var climb = Climb()
            for _ in 0..<count { _ = climb.task() }
            return (0..<100).map { _ in
                ContinuousClock().measure {
                    let id = climb.task()
                    climb.end(id)
                }
            }.min()!
        }
        _ = cost(beside: 10)
        let (few, many) = (cost(beside: 10), cost(beside: 20_000))
        #expect(many < few * 20, "\(few) beside 10 tasks, \(many) beside 20,000")
    }

    @Test("3d: of the signals that come during a reload, one is said, for there will be one more reload")
    func reloadStorm() {
        var climb = Climb()
        climb.ladder.reloads.isPossible = true
        climb.signal(.sighup)
        var said = 0
        for _ in 0..<1000 {
            for case .announce(.received) in climb.signal(.sighup) { said += 1 }
        }
        #expect(said == 1)
    }

    @Test("7a: an action that is added while what is left is cancelled is cancelled too")
    func lateAction() {
        var climb = Climb()
        climb.signal(.sigterm)
        #expect(climb.wait(.seconds(20)) == ["cancel 0"])
        let (action, answer) = climb.ladder.addAction(generation: 0, at: climb.now)!
        #expect(words(answer) == ["start \(action)", "cancel \(action)"])
        #expect(climb.ladder.isCancelled(action))
    }

    @Test("7a: an action that is added while hooks run is cancelled too")
    func actionBesideHook() {
        var climb = Climb()
        let hook = climb.hook("hook")
        climb.signal(.sigterm)
        #expect(climb.end(0) == ["start \(hook)"])
        let (action, answer) = climb.ladder.addAction(generation: 0, at: climb.now)!
        #expect(words(answer) == ["start \(action)", "cancel \(action)"])
        #expect(climb.ladder.isCancelled(action))
    }

    @Test("7b: a hard exit that joins what is being cancelled shortens its time")
    func hardExitWhileCancelling() {
        var climb = Climb(.nginx)
        _ = climb.ladder.shutdown(.requested, at: climb.now)
        #expect(climb.wait(.seconds(20)) == ["cancel 0"])
        #expect(climb.ladder.deadline == .seconds(24))
        climb.signal(.sigterm)
        #expect(climb.ladder.summary.hardExit?.signal == .sigterm)
        #expect(climb.ladder.deadline == .seconds(21))
        #expect(climb.wait(.seconds(1)) == ["force"])
    }

    @Test("7b: a hard exit that joins the hooks shortens their time, and lengthens none")
    func hardExitWhileCleaning() {
        for waited in [Duration.zero, .milliseconds(3500)] {
            var climb = Climb(.nginx)
            let hook = climb.hook("hook")
            #expect(climb.end(0) == ["start \(hook)"])  // all is done
            _ = climb.wait(waited)
            climb.signal(.sigterm)
            #expect(climb.ladder.summary.hardExit?.signal == .sigterm)
            #expect(climb.ladder.deadline! <= min(.seconds(4), climb.now + .seconds(1)))
            let end = min(Duration.seconds(1), .seconds(4) - waited)
            #expect(climb.wait(end).last == "force")
        }
    }

    @Test("7c: a hook that is added while only hooks run whose time is up runs at once")
    func hookBesideLateOnes() {
        var climb = Climb()
        let hangs = climb.hook("hangs")
        climb.signal(.sigterm)
        #expect(climb.end(0) == ["start \(hangs)"])
        #expect(climb.wait(.seconds(2)) == ["cancel \(hangs)"])
        let late = climb.hook("late")
        #expect(climb.ladder.live[late] != nil)
        #expect(climb.end(late) == [])
        #expect(climb.end(hangs, CancellationError()) == ["finish"])
    }
}
