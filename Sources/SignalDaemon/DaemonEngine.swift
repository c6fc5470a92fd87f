// What carries out the ladder's decisions: starts and cancels work, watches signals and time, and forces the end.
//
// One lock holds the ladder and what runs. Every input (a signal, a deadline, work that ended, a call of the user's) is put
// into the ladder under it; what the ladder answers becomes effects there, in their order. Cancelling a task, opening a gate
// and dropping a closure all run code of the user's, and resuming a task may wait for a thread to be had; so these are
// handed to the hand, a thread that does nothing else. Effects may come late, and bear it: work that was cancelled before it
// was attached is cancelled when it is.
//
// In the system a second thread, the watch, sleeps on the bridge until a signal or the next deadline. Nothing of the user's
// runs on it, and it calls nothing that Dispatch or Swift's pool could hold up: so signals, deadlines and the forced end
// come in time whatever hangs. It also restores the dispositions in the end, with its own mask closed before: else it
// would be a thread that takes signals that nobody else in the process would.
//
// In a simulation there are no threads: whoever sends, or moves the clock, does both.
//
// Lock order: engine, then source, mailbox, runner or gate. What was the user's is released outside of all of them.
import SignalBridge

import Dispatch

final class DaemonEngine: Sendable {
    /// What is to be run, and how.
    enum Work: Sendable {
        case task(@Sendable () async throws -> Void)
        case thread(@Sendable (StopToken) throws -> Void)
    }

    /// What the user's program gave to be run, for whatever type of result.
    struct Program: Sendable {
        /// The body; `nil` in a blocking daemon, whose caller runs it.
        var body: (@Sendable (Daemon) -> Work)?
        /// Loads the configuration, once more. A body that has one loads the first by itself, and says `loaded`.
        var load: (@Sendable () async throws -> Void)?
        /// Applies what was loaded. Without it, the body is restarted.
        var apply: (@Sendable () async throws -> Void)?
        var onForce: (@Sendable (DaemonSummary) -> Void)?
    }

    struct State {
        var ladder: Ladder
        /// Not started yet.
        var work: [Int: Work] = [:]
        /// Cancels what runs.
        var cancel: [Int: @Sendable () -> Void] = [:]
        /// Opens when shutdown of this generation is requested.
        var stop = Latch()
        var handles: [SubscriptionHandle] = []
        var reloadActions: [(id: Int, work: Work)] = []
        var subscribesReload: Bool
        /// What the watch does not block: what is subscribed to, and no more.
        var watched: Set<SignalNumber> = []
        var notifier: Notifier
        /// Before that, signals wait: what starts is said before what ends it.
        var hasBegun = false
        /// All is over: the watch puts everything back.
        var closes = false
        var isClosed = false
        /// When `onTransition` has had all the time there is for its last words.
        var lastWords: Duration?
        /// Takes the simulator's clock off.
        var clock: (@Sendable () -> Void)?
    }
    let state: Lock<State>
    let program: Program
    let policy: SignalPolicy
    let simulator: SignalSimulator?
    let announcer: Announcer
    let hand: SerialRunner<@Sendable () -> Void>
    /// What threads block that run the user's code and are not started by the user's.
    let callersMask = SignalMask.current
    /// Starts tasks with the task-local values of `Daemon.run`'s caller.
    let launches: AsyncStream<@Sendable () -> Void>
    let launch: AsyncStream<@Sendable () -> Void>.Continuation
    let source: BridgeSource?
    let finished = DispatchSemaphore(value: 0)

    init(
        _ policy: SignalPolicy, _ supervisor: Supervisor, _ program: Program,
        _ onTransition: (@Sendable (DaemonTransition) -> Void)?
    ) throws(SignalBridgeError) {
        self.policy = policy
        self.program = program
        simulator = SignalSimulator.current
        source = simulator == nil ? BridgeSource() : nil
        let supervisor = supervisor.resolved
        let announcer = try Announcer(onTransition, supervisor, isInline: simulator != nil)
        do throws(SignalBridgeError) {
            hand = try SerialRunner(isInline: simulator != nil) { $0() }
        } catch {
            announcer.stop()
            throw error
        }
        self.announcer = announcer
        (launches, launch) = AsyncStream.makeStream()
        let now = simulator?.now ?? monotonicNow()
        let loads = program.load != nil
        let ladder = Ladder(policy, loads: loads, restarts: loads && program.apply == nil, at: now)
        state = Lock(
            State(ladder: ladder, subscribesReload: loads, notifier: Notifier(supervisor, at: now)))
        do throws(SignalBridgeError) {
            try source?.prepare()
            let ending = policy.hardExit.union(policy.graceful)
            if !ending.isEmpty { try subscribe(ending) }
            if loads, !policy.reload.isEmpty { try subscribe(policy.reload) }
            if simulator == nil { try startWatch() }
        } catch {
            close()
            throw error
        }
        if let simulator { watchClock(of: simulator) }
    }

    var now: Duration { simulator?.now ?? monotonicNow() }

    // MARK: the ladder

    /// Puts something into the ladder, and carries out what it answers.
    func feed(waits: Bool = false, _ input: (inout State, Duration) -> [Ladder.Action]) {
        let (effects, wakes, dropped) = state.withLock { state in
            let before = state.deadline ?? .seconds(1 << 41)
            let effects = input(&state, now).compactMap { effect(of: $0, &state) } + timers(&state)
            return (effects, state.deadline.map { $0 < before } ?? false, state.ladder.summary.takeDropped())
        }
        if wakes { source?.wake() }
        announcer.announce(waits: waits)
        hand.runIfInline(waits: waits)
        for effect in effects { effect() }
        _ = dropped
    }

    /// What an action means. Called under the lock; what it returns is carried out by the caller after that.
    private func effect(of action: Ladder.Action, _ state: inout State) -> (@Sendable () -> Void)? {
        switch action {
        case .announce(let transition):
            announcer.append(.transition(transition))
            for text in state.notifier.datagrams(for: transition, state.ladder, at: now) {
                announcer.append(.datagram(text))
            }
        case .start(let id):
            guard let work = state.work.removeValue(forKey: id) else { break }
            hand.append { [self, stop = state.stop] in start(id, work, stop) }
        case .startReload(let id):
            let work = reloadWork(state.reloadActions.map(\.work))
            hand.append { [self, stop = state.stop] in start(id, work, stop) }
        case .cancel(let id):
            if let cancel = state.cancel[id] { hand.append(cancel) }  // none: it is being started, and finds out then
        case .tell:
            let wake = state.stop.claim()
            hand.append(wake)
        case .restart(let id):
            let old = (state.stop, state.reloadActions)
            state.stop = Latch()
            state.reloadActions = []
            hand.append { [self, stop = state.stop, generation = state.ladder.generation] in
                _ = old  // released here
                if let body = program.body { start(id, body(Daemon(self, generation: generation)), stop) }
            }
        case .force(let reason): return { [self] in force(reason) }
        case .finish: return { [self] in finish() }
        }
        return nil
    }

    /// Datagrams and questions that are due.
    private func timers(_ state: inout State) -> [@Sendable () -> Void] {
        let now = now
        if state.notifier.extends(at: now) { announcer.append(.datagram(Notifier.extend)) }
        if state.notifier.pings(at: now) { hand.append { [self] in ping() } }
        guard let end = state.lastWords, end <= now else { return [] }
        state.lastWords = nil
        return [{ [self] in requestClose() }]
    }
}

extension DaemonEngine.State {
    /// When `poll` must be called.
    var deadline: Duration? {
        closes || !hasBegun ? nil : [ladder.deadline, notifier.deadline, lastWords].compactMap { $0 }.min()
    }
}
