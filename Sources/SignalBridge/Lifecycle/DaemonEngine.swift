// What carries out the ladder's decisions: starts and cancels work, watches signals and time, and forces the end.
//
// One lock holds the ladder and what runs. Every input (a signal, a deadline, work that ended, a call of the user's) is put
// into the ladder under it; what the ladder answers is turned into effects there, and carried out after it is released:
// for cancelling a task, opening a gate and dropping a closure all run code of the user's. Two threads may carry out
// effects at the same time, so each effect must bear being late: work that was cancelled before it was attached is
// cancelled when it is; work that ends twice does not exist; announcements get their order under the lock.
//
// Who calls: in the system, a thread of our own, the watch, sleeps on the bridge until a signal or the next deadline; so
// signals, deadlines and the forced end need neither Swift's pool nor Dispatch, and nothing of the user's runs on it. In a
// simulation, whoever sends or moves the clock.
//
// Lock order: engine, then source, mailbox, announcer or gate.
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
        var stop = Gate()
        var handles: [SubscriptionHandle] = []
        var reloadActions: [(id: Int, work: Work)] = []
        var subscribesReload: Bool
        var notifier: Notifier
        var isClosed = false
        /// The watch may go: every subscription has ended.
        var isRestored = false
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
    /// What threads block that run the user's code and are not started by the user's.
    let callersMask = SignalMask.current
    /// Starts tasks with the task-local values of `runDaemon`'s caller.
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
        source = simulator == nil ? BridgeSource(readByDispatch: false) : nil
        let supervisor = supervisor.resolved
        announcer = try Announcer(onTransition, supervisor, isInline: simulator != nil)
        (launches, launch) = AsyncStream.makeStream()
        let now = simulator?.now ?? monotonicNow()
        let loads = program.load != nil
        let ladder = Ladder(policy, loads: loads, restarts: loads && program.apply == nil, at: now)
        state = Lock(
            State(ladder: ladder, subscribesReload: loads, notifier: Notifier(watchdog: supervisor.watchdog, at: now)))
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

    // MARK: signals and time

    /// A last resort beneath the watch: the hundredth request that it has not even seen takes the default action, in the C
    /// handler. The ladder would have forced the end at the third; this many do not pile up in the time that a thread
    /// takes to wake.
    private static let backstop = 100

    func subscribe(_ signals: Set<SignalNumber>) throws(SignalBridgeError) {
        var options: [SignalOptions] = [.everyDelivery]
        if policy.keepsIgnored { options.append(.keepIgnored) }
        if simulator == nil {
            for signal in signals.subtracting(policy.reload) where signal.terminatesByDefault {
                options.append(.escalate(signal, unread: Self.backstop))
            }
        }
        let mailbox = try Mailbox(signals, options.reduce(into: []) { $0 = [$0, $1] })
        if simulator != nil {
            mailbox.onChange { [weak self] in self?.poll() }
        } else {
            mailbox.onChange { [weak source] in source?.wake() }  // another thread has read what was for the watch
        }
        let handle = try SubscriptionHandle(mailbox, on: source ?? simulator!)
        let isLate = state.withLock { state in
            if !state.isClosed { state.handles.append(handle) }
            return state.isClosed
        }
        if isLate { handle.close() }
    }

    private func startWatch() throws(SignalBridgeError) {
        let parking = SignalWaiter.Parking.bridge(source!)
        // Whatever other threads block, there is one that takes the policy's signals.
        let own = policy.hardExit.union(policy.graceful).union(policy.reload)
        try SignalBridge.startThread(mask: .all(but: own)) { [self] in
            while true {
                parking.collect()
                poll()
                let (isRestored, deadline) = state.withLock { ($0.isRestored, $0.deadline) }
                if isRestored {
                    source?.close()  // now, although somebody may still hold a `Daemon`
                    return
                }
                _ = parking.sleep(until: deadline)
            }
        }
    }

    private func watchClock(of simulator: SignalSimulator) {
        let id = simulator.watchClock(
            deadline: { [weak self] in self?.state.withLock { $0.deadline } }, passed: { [weak self] in self?.poll() })
        state.withLock { $0.clock = { simulator.forgetClock(id) } }
    }

    /// Takes what signals there are, and looks at the clock.
    func poll() {
        feed(fromWatch: simulator == nil) { state, now in
            var actions: [Ladder.Action] = []
            for handle in state.handles {
                while case .event(let event) = handle.take() {
                    for _ in 0..<min(event.count, 3) { actions += state.ladder.signal(event, at: now) }
                }
            }
            return actions + state.ladder.tick(at: now)
        }
    }

    // MARK: the ladder

    /// Puts something into the ladder, and carries out what it answers.
    func feed(fromWatch: Bool = false, _ input: (inout State, Duration) -> [Ladder.Action]) {
        let (effects, wakes) = state.withLock { state in
            let before = state.deadline
            let effects = input(&state, now).compactMap { effect(of: $0, &state) } + timers(&state)
            return (effects, state.deadline.map { $0 < before ?? .seconds(1 << 41) } ?? false)
        }
        announcer.announce()
        let told: @Sendable () -> Void = {
            for case .tells(let tell) in effects { tell() }
        }
        if effects.contains(where: \.tells) {
            // A handler of `withTaskCancellationHandler` runs here: if it hangs, the watch must not.
            if !fromWatch || (try? SignalBridge.startThread(mask: .all(), told)) == nil { told() }
        }
        for case .acts(let act) in effects { act() }
        if wakes { source?.wake() }
    }

    /// What is to be done after the lock is released.
    private enum Effect: Sendable {
        /// Tells work something, and so may run code of the user's.
        case tells(@Sendable () -> Void)
        case acts(@Sendable () -> Void)

        var tells: Bool {
            if case .tells = self { true } else { false }
        }
    }

    /// What an action means. Called under the lock, carried out after it.
    private func effect(of action: Ladder.Action, _ state: inout State) -> Effect? {
        switch action {
        case .announce(let transition):
            announcer.append(.transition(transition))
            for text in state.notifier.datagrams(for: transition, state.ladder, at: now) {
                announcer.append(.datagram(text))
            }
            return nil
        case .start(let id):
            guard let work = state.work.removeValue(forKey: id) else { return nil }
            let stop = state.stop
            return .acts { [self] in start(id, work, stop) }
        case .startReload(let id):
            let (work, stop) = (reloadWork(state.reloadActions.map(\.work)), state.stop)
            return .acts { [self] in start(id, work, stop) }
        case .cancel(let id):
            return state.cancel[id].map(Effect.tells)  // none: it is being started, and finds out then
        case .tell:
            let stop = state.stop
            return .tells { stop.open() }
        case .restart(let id):
            let old = (state.stop, state.reloadActions)
            state.stop = Gate()
            state.reloadActions = []
            let (stop, generation) = (state.stop, state.ladder.generation)
            return .acts { [self] in
                _ = old  // released here
                if let body = program.body { start(id, body(Daemon(self, generation: generation)), stop) }
            }
        case .force(let reason): return .acts { [self] in force(reason) }
        case .finish: return .acts { [self] in finish() }
        }
    }

    /// Datagrams and questions that are due.
    private func timers(_ state: inout State) -> [Effect] {
        let now = now
        if state.notifier.extends(at: now) { announcer.append(.datagram(Notifier.extend)) }
        var effects: [Effect] = []
        if state.notifier.pings(at: now) { effects.append(.acts { [self] in ping() }) }
        if let end = state.lastWords, end <= now {
            state.lastWords = nil
            effects.append(.acts { [self] in close() })
        }
        return effects
    }
}

extension DaemonEngine.State {
    /// When `poll` must be called.
    var deadline: Duration? {
        isClosed ? nil : [ladder.deadline, notifier.deadline, lastWords].compactMap { $0 }.min()
    }
}
