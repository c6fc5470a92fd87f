// The ladder by hand: no thread, no clock but the test's, no closure.
import TestSupport
import Testing

@testable import SignalBridge
@testable import SignalDaemon

/// A ladder, the time, and what was answered, as short words.
private struct Climb {
    var ladder: Ladder
    var now = Duration.zero

    init(_ policy: SignalPolicy = .server, loads: Bool = false, restarts: Bool = false) {
        ladder = Ladder(policy, loads: loads, restarts: restarts, at: .zero)
    }

    mutating func signal(_ signal: SignalNumber) -> [String] {
        let event = SignalEvent(signal, count: 1, sender: nil, value: nil, nanoseconds: 0)
        return words(ladder.signal(event, at: now))
    }

    /// Moves the clock, and looks.
    mutating func wait(_ seconds: Int) -> [String] {
        now += .seconds(seconds)
        return words(ladder.tick(at: now))
    }

    mutating func end(_ id: Int, _ error: (any Error)? = nil) -> [String] { words(ladder.ended(id, error, at: now)) }

    mutating func add(_ style: ShutdownBehavior = .drain) -> Int? {
        ladder.add("task", .task, style, endsDaemon: true, generation: ladder.generation, at: now)
    }

    mutating func hook(_ name: String) -> Int {
        ladder.addHook(name, generation: ladder.generation, at: now)!.id
    }

    /// What is not only said.
    func words(_ actions: [Ladder.Action]) -> [String] {
        actions.compactMap { action in
            switch action {
            case .start(let id): "start \(id)"
            case .startReload(let id): "reload \(id)"
            case .cancel(let id): "cancel \(id)"
            case .tell: "tell"
            case .restart(let id): "restart \(id)"
            case .finish: "finish"
            case .force: "force"
            case .announce(.entered(let phase, _)): "\(phase)"
            case .announce(.timedOut): "timed out"
            case .announce(.restartWaits): "waits"
            case .announce: nil
            }
        }
    }
}

private struct Failure: Error {}

@Suite struct Ladders {
    @Test("one signal: told, drained, cleaned up")
    func oneSignal() {
        var climb = Climb()
        let task = climb.add()!
        let (first, second) = (climb.hook("first"), climb.hook("second"))
        #expect(climb.signal(.sigterm) == ["draining", "tell"])
        #expect(climb.end(0) == [])
        #expect(climb.end(task) == ["cleaning up", "start \(second)"])
        #expect(climb.end(second) == ["start \(first)"])
        #expect(climb.end(first) == ["finish"])
        #expect(climb.ladder.summary.exitStatus == .code(0))
        #expect(climb.ladder.deadline == nil)
        #expect(climb.signal(.sigterm) == [])
    }

    @Test("each period's end begins the next phase, and the last one forces the exit")
    func deadlines() {
        var climb = Climb()
        let completes = climb.add(.complete)!
        let cancels = climb.add(.cancel)!
        #expect(climb.signal(.sigterm) == ["draining", "tell", "cancel \(cancels)"])
        #expect(climb.ladder.deadline == .seconds(20))
        #expect(climb.wait(19) == [])
        #expect(climb.wait(1) == ["cancelling", "cancel 0"])
        #expect(!climb.ladder.isCancelled(completes))
        #expect(climb.wait(3) == [])
        #expect(climb.wait(1) == ["force"])
        #expect(climb.ladder.summary.exitStatus == .signal(.sigterm))
        #expect(climb.ladder.summary.tasks.map(\.outcome.description) == ["abandoned", "abandoned", "abandoned"])
        #expect(climb.wait(100) == [] && climb.end(0) == [] && climb.signal(.sigint) == [])
    }

    @Test("a second signal is honoured in every phase", arguments: [SignalPolicy.SecondSignal.escalate, .forceExit])
    func secondSignal(_ second: SignalPolicy.SecondSignal) {
        let policy = SignalPolicy.server.with(secondSignal: second)
        var draining = Climb(policy)
        _ = draining.signal(.sigterm)
        #expect(draining.signal(.sigint) == (second == .forceExit ? ["force"] : ["cancelling", "cancel 0"]))

        var cancelling = Climb(policy)
        _ = cancelling.signal(.sigterm)
        _ = cancelling.wait(20)
        #expect(cancelling.signal(.sigterm) == ["force"])
        #expect(cancelling.ladder.summary.forcedExit != .deadline(.cancelling))

        var cleaning = Climb(policy)
        _ = cleaning.hook("hook")
        _ = cleaning.signal(.sigterm)
        _ = cleaning.end(0)
        #expect(cleaning.ladder.phase == .cleaningUp)
        #expect(cleaning.signal(.sigterm) == ["force"])
    }

    @Test("the first signal to a daemon that ends for another reason only joins")
    func joins() {
        var climb = Climb()
        #expect(climb.words(climb.ladder.shutdown(.requested, at: climb.now)) == ["draining", "tell"])
        #expect(climb.signal(.sigterm) == [])
        #expect(climb.ladder.phase == .draining)
        #expect(climb.signal(.sigterm) == ["cancelling", "cancel 0"])
        #expect(climb.signal(.sigterm) == ["force"])
        #expect(climb.ladder.summary.exitStatus == .signal(.sigterm))
    }

    @Test("a hard exit skips draining, has its own periods, and dies by its signal")
    func hardExit() {
        var climb = Climb(.nginx)
        let hook = climb.hook("hook")
        #expect(climb.signal(.sigterm) == ["cancelling", "tell", "cancel 0"])
        #expect(climb.ladder.deadline == .seconds(1))
        #expect(climb.end(0, CancellationError()) == ["cleaning up", "start \(hook)"])
        #expect(climb.end(hook) == ["finish"])
        #expect(climb.ladder.summary.exitStatus == .signal(.sigterm))
    }

    @Test("a hard exit after a graceful signal cancels what drains")
    func hardExitSecond() {
        var climb = Climb(.nginx)
        #expect(climb.signal(.sigquit) == ["draining", "tell"])
        #expect(climb.signal(.sigterm) == ["cancelling", "cancel 0"])
        #expect(climb.ladder.deadline == .seconds(1))
    }

    @Test("hooks share the time; one that hangs is cancelled, waited for to the end, and holds up nobody")
    func hangingHook() {
        var climb = Climb()
        let (last, hangs) = (climb.hook("last"), climb.hook("hangs"))
        _ = climb.signal(.sigterm)
        #expect(climb.end(0) == ["cleaning up", "start \(hangs)"])
        #expect(climb.ladder.deadline == .seconds(4) / 3)
        #expect(climb.wait(2) == ["timed out", "cancel \(hangs)", "start \(last)"])
        #expect(climb.ladder.deadline == .seconds(3))  // half of what is left
        #expect(climb.end(last) == [])
        #expect(climb.ladder.deadline == .seconds(4))
        #expect(climb.wait(2) == ["force"])
    }

    @Test("a hook that ends when it is cancelled spoils the exit code, and nothing else")
    func lateHook() {
        var climb = Climb()
        let hook = climb.hook("slow")
        _ = climb.signal(.sigterm)
        _ = climb.end(0)
        #expect(climb.wait(2) == ["timed out", "cancel \(hook)"])
        #expect(climb.end(hook, CancellationError()) == ["finish"])
        #expect(climb.ladder.summary.exitStatus == .code(1))
    }

    @Test("what fails ends the daemon; what follows is kept beside it")
    func failure() {
        var climb = Climb()
        let task = climb.add()!
        #expect(climb.end(task, Failure()) == ["draining", "tell"])
        #expect(climb.add() == nil)
        #expect(climb.end(0, Failure()) == ["cleaning up", "finish"])
        #expect(climb.ladder.summary.reason == .failure(of: "task"))
        #expect(climb.ladder.summary.tasks.count == 2)
        #expect(climb.ladder.summary.exitStatus == .code(1))
    }

    @Test("CancellationError counts as cancelled only if it was")
    func cancellationError() {
        var climb = Climb()
        let task = climb.add()!
        _ = climb.end(task, CancellationError())
        #expect(climb.ladder.summary.tasks.map(\.outcome.description) == ["failed: CancellationError()"])
    }

    @Test("work that is refused because of a shutdown does not fail the daemon")
    func refusal() {
        let refusal = SignalBridgeError(.shuttingDown, nil, "no")
        var climb = Climb()
        _ = climb.signal(.sigterm)
        #expect(climb.end(0, refusal) == ["cleaning up", "finish"])
        #expect(climb.ladder.summary.exitStatus == .code(0))
        var other = Climb()  // that of another daemon is an error like any
        _ = other.end(0, refusal)
        #expect(other.ladder.summary.exitStatus == .code(1))
    }

    @Test("what a shield throws is its caller's to answer")
    func shieldThrows() {
        var climb = Climb()
        let id = climb.ladder.addShield("commit", at: climb.now)!
        _ = climb.end(id, Failure())
        _ = climb.end(0)
        #expect(climb.ladder.summary.tasks.map(\.outcome.description) == ["failed: Failure()", "finished"])
        #expect(climb.ladder.summary.exitStatus == .code(0))
    }

    @Test("a daemon whose work is done ends by itself, and cuts a reload short")
    func naturalEnd() {
        var climb = Climb()
        climb.ladder.reloads.isPossible = true
        let task = climb.add()!
        #expect(climb.end(0) == [])
        #expect(climb.signal(.sighup) == ["reload \(task + 1)"])
        #expect(climb.end(task) == ["cancel \(task + 1)", "cancelling", "tell"])
        #expect(climb.end(task + 1, CancellationError()) == ["cleaning up", "finish"])
        #expect(climb.ladder.summary.reason == .finished)
        #expect(climb.ladder.summary.exitStatus == .code(0))
    }

    @Test("HUPs during a reload lead to exactly one more")
    func coalescedReloads() {
        var climb = Climb()
        climb.ladder.reloads.isPossible = true
        #expect(climb.signal(.sighup) == ["reload 1"])
        for _ in 0..<1000 { #expect(climb.signal(.sighup) == []) }
        #expect(climb.end(1) == ["reload 2"])
        #expect(climb.end(2, Failure()) == [])
        #expect(climb.signal(.sighup) == ["reload 3"])
        #expect(climb.ladder.summary.reloads == 1)
        #expect(climb.ladder.summary.failedReloads.count == 1)
    }

    @Test("HUPs while the first configuration is loaded lead to one reload after that")
    func reloadsWhileLoading() {
        var climb = Climb(loads: true)
        #expect(climb.signal(.sighup) == [])
        #expect(climb.signal(.sighup) == [])
        #expect(climb.words(climb.ladder.loaded(at: climb.now)) == ["reload 1"])
    }

    @Test("a restart drains the old body, runs its hooks, and starts a new one")
    func restart() {
        var climb = Climb(loads: true, restarts: true)
        _ = climb.ladder.loaded(at: climb.now)
        let hook = climb.hook("hook")
        #expect(climb.signal(.sighup) == ["reload 2"])
        #expect(climb.end(2) == ["draining", "tell"])
        #expect(climb.add() == nil)
        #expect(climb.signal(.sighup) == [])
        #expect(climb.end(0) == ["cleaning up", "start \(hook)"])
        #expect(climb.end(hook) == ["restart 3", "reload 4"])  // the HUP that came meanwhile
        #expect(climb.ladder.phase == .running)
        #expect(climb.add() != nil)
    }

    @Test("a restart cancels what does not drain, waits for what does not end, and forces nothing")
    func stubbornRestart() {
        var climb = Climb(loads: true, restarts: true)
        _ = climb.ladder.loaded(at: climb.now)
        _ = climb.signal(.sighup)
        _ = climb.end(1)
        #expect(climb.wait(20) == ["cancelling", "cancel 0"])
        #expect(climb.wait(4) == ["waits"])
        #expect(climb.wait(1000) == [])
        #expect(climb.signal(.sigterm) == ["cancelling"])  // shutdown wins, with its own time
        #expect(climb.wait(4) == ["force"])
    }

    @Test("shutdown during a reload cancels that, and its result is not used")
    func shutdownWins() {
        var climb = Climb(loads: true, restarts: true)
        _ = climb.ladder.loaded(at: climb.now)
        #expect(climb.signal(.sighup) == ["reload 1"])
        _ = climb.signal(.sighup)
        #expect(climb.signal(.sigterm) == ["cancel 1", "draining", "tell"])
        #expect(climb.end(1) == [])
        #expect(climb.signal(.sighup) == [])
        #expect(climb.end(0) == ["cleaning up", "finish"])
        #expect(climb.ladder.summary.reloads == 0)
    }

    @Test("of what ends while the daemon runs, so much is kept, and the rest is counted")
    func bounded() {
        var climb = Climb()
        for number in 0..<5000 {
            let id = climb.ladder.add("n", .task, .drain, endsDaemon: false, generation: 0, at: climb.now)!
            _ = climb.end(id, number == 0 ? Failure() : nil)
        }
        #expect(climb.ladder.summary.tasks.count == 1000)
        #expect(climb.ladder.summary.omittedTaskCount == 4000)
        _ = climb.end(0)
        #expect(climb.ladder.summary.exitStatus == .code(1))  // the failure is not forgotten
    }
}
