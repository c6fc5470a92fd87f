// The signals of the process: one C bridge, and the subscriptions that it feeds.
//
// H1  One lock orders everything: under it, records leave the ring for the buffers, and subscriptions begin and end. So
//     a subscription gets, in order, the signals captured between the return of `subscribe` and the call of
//     `unsubscribe`, whichever thread reads them.
// H2  `subscribe` empties the ring before it adds signals, so that a subscription is not given older deliveries. It
//     enters the subscription into the table last, when no step can fail any more, and no thread reads in between. If
//     adding fails, it removes the signals again. Their deliveries have no subscription, so each is raised again and
//     meets its disposition.
// H3  `unsubscribe` empties the ring, restores dispositions, and empties the ring again: see S6 in ResendRule.swift.
// H4  The thread that reads the bridge decides on escalation. The C handler's limit is for the case that no thread
//     reads. It is the smallest limit of a signal's subscriptions, and set when they begin and end.
//
// Lock order: this lock, that of endings, a subscription's, the resend rule's, the C library's. User code runs after this
// lock is released.
import CSignalShim
import Synchronization

final class SignalHub: SignalSource, Waitable {
    /// The hub of every subscription without its own reader. A library thread reads it, from its first subscription on,
    /// and sleeps while no signal comes.
    static let shared = SignalHub(hasReader: true)

    private struct State {
        var bridge: OpaquePointer?
        var table = SubscriberTable()
        /// Subscribed signals that were ignored before.
        var ignored: [SignalNumber] = []
    }
    private let state = Lock(State())
    /// The process that opened the bridge; 0: no process has.
    private let owner = Atomic<pid_t>(0)
    private let hasReader: Bool
    private let mechanism: SignalLoop.Mechanism

    /// All hubs of a process get the same signals.
    private static let resends = Lock(ResendRule())
    var resendRule: Lock<ResendRule> { Self.resends }
    private static let allEndings = Lock(())
    var endings: Lock<Void> { Self.allEndings }

    init(hasReader: Bool = false, mechanism: SignalLoop.Mechanism = .handler) {
        self.hasReader = hasReader
        self.mechanism = mechanism
    }

    deinit {
        guard isInCreatingProcess, let bridge = state.withLock({ $0.bridge }) else { return }
        csigshim_close(bridge)
    }

    /// `false` in a forked child: see `Subscription.isInCreatingProcess`.
    var isInCreatingProcess: Bool { owner.load(ordering: .relaxed) == currentProcessID() }

    private func claim() throws(SignalBridgeError) {
        let current = currentProcessID()
        let (isFirst, owner) = owner.compareExchange(expected: 0, desired: current, ordering: .relaxed)
        if !isFirst, owner != current { throw .noBridge(Errno.notPermitted) }
    }

    /// Opens the bridge before there is a subscription, and returns it. It stays open for the hub's lifetime.
    func prepare() throws(SignalBridgeError) -> OpaquePointer {
        try claim()
        return try state.withLock { state throws(SignalBridgeError) in try open(&state) }
    }

    private func openBridge() -> OpaquePointer? {
        state.withLock { $0.bridge } ?? (try? prepare())
    }

    // MARK: SignalSource

    func subscribe(_ subscription: Subscription, to signals: [SignalNumber], limit: Int?) throws(SignalBridgeError) {
        try claim()
        var effects = PendingEffects()
        var rolledBack: [SignalNumber] = []
        defer {
            perform(effects)
            raiseUnclaimed(rolledBack, effects, options: subscription.options)
        }
        try state.withLock { state throws(SignalBridgeError) in
            let bridge = try open(&state)
            if !subscription.isOpen { throw .subscriptionEnded }
            readBridge(&state, &effects, limit: Self.fullReadLimit)  // H2
            var added: [SignalNumber] = []
            var leftIgnored: [SignalNumber] = []
            for signal in signals where !state.table.contains(subscription, signal) {
                do throws(SignalBridgeError) {
                    if try add(signal, options: subscription.options, limit: limit, &state, bridge) {
                        added.append(signal)
                    } else {
                        leftIgnored.append(signal)
                    }
                } catch {
                    rolledBack = rollBack(added, options: subscription.options, &state, bridge)
                    readBridge(&state, &effects, limit: Self.fullReadLimit)
                    throw error
                }
            }
            for signal in added { state.table.add(subscription, to: signal) }
            subscription.begin(added, limit: limit, leftIgnored: leftIgnored, since: monotonicNanoseconds())
        }
    }

    func unsubscribe(_ subscription: Subscription) {
        guard isInCreatingProcess else { return }
        var effects = PendingEffects()
        defer { perform(effects) }
        state.withLock { state in
            guard let bridge = state.bridge else { return }
            let signals = state.table.signals(of: subscription)
            if signals.isEmpty { return }
            readBridge(&state, &effects, limit: Self.fullReadLimit)
            let last = signals.filter { state.table.subscribers(of: $0).count == 1 }
            endings.withLock { _ in  // S5
                for signal in last { remove(signal, &state, bridge) }
                if !last.isEmpty { readBridge(&state, &effects, limit: Self.fullReadLimit) }  // H3
                resendRule.withLock { $0.unsubscribe(subscription) }
            }
            for signal in signals {
                state.table.remove(subscription, from: signal)
                if state.table.isSubscribed(signal) {
                    settle(signal, subscription.options, isAdded: false, state, bridge)
                }
            }
        }
    }

    /// H2. Not if another bridge of the process, or a handler that was chained to, got the deliveries too.
    private func raiseUnclaimed(_ signals: [SignalNumber], _ effects: PendingEffects, options: SignalOptions) {
        for signal in signals where csigshim_state(signal.rawValue) == Int32(CSIGSHIM_ABSENT) {
            let isHandled = csigshim_disposition(signal.rawValue) == Int32(CSIGSHIM_DISPOSITION_HANDLED)
            if options.contains(.chain), isHandled { continue }
            for _ in 0..<(effects.unclaimed[signal] ?? 0) { raiseAgain(signal) }
        }
    }

    /// The kernel drops a signal to the init of a PID namespace if its action is the default one. There the process
    /// ends by itself, with exit status 128 + signal.
    func raiseAgain(_ signal: SignalNumber) {
        let process = csigshim_owner()  // never -1, as getpid(2) is in some sandboxes: kill(-1) reaches every process
        guard process > 0 else { return }
        if process == 1, csigshim_disposition(signal.rawValue) == Int32(CSIGSHIM_DISPOSITION_DEFAULT) {
            csigshim_take_default_action(signal.rawValue)
        }
        _ = sendSignal(signal.rawValue, to: process, value: nil)
    }

    // MARK: Waitable

    var now: Duration { monotonicNow() }

    func prepareToWait() throws(SignalBridgeError) { _ = try prepare() }

    func wait(until deadline: Duration?) -> Bool {
        let left = deadline.map { $0 - now }
        if let left, left <= .zero { return false }
        let milliseconds = left.map { Int32(min($0, .milliseconds(1 << 30)).roundedUpToMilliseconds) } ?? -1
        guard let bridge = openBridge(), csigshim_wait(bridge, milliseconds) >= 0 else {
            pauseThread(milliseconds: milliseconds < 0 ? 999 : milliseconds)  // so that a caller's loop does not spin
            return false
        }
        return true
    }

    func wake() {
        guard isInCreatingProcess else { return }
        state.withLock { state in
            if let bridge = state.bridge { csigshim_wake(bridge) }
        }
    }

    func collectPending() -> Bool {
        if openBridge() == nil { return false }
        var effects = PendingEffects()
        _ = state.withLock { readBridge(&$0, &effects, limit: Self.readLimit) }
        escalate(effects)
        return !effects.isEmpty
    }

    // MARK: reading

    /// A limit for one read, so that a flood of signals cannot occupy a reader.
    private static let readLimit = 4096
    /// A limit that empties a full ring, and ends even in a flood.
    static let fullReadLimit = 2 * EventQueue.capacity

    /// Reads pending signals, and wakes the subscriptions that got some. Returns whether there may be more.
    func deliverPending(limit: Int) -> Bool {
        var effects = PendingEffects()
        let more = state.withLock { readBridge(&$0, &effects, limit: limit) }
        perform(effects)
        return more
    }

    /// Whether the host closed the descriptor, so that no signal arrives any more.
    var isClosedByHost: Bool {
        isInCreatingProcess && state.withLock { state in state.bridge.map { csigshim_wait($0, 0) < 0 } ?? false }
    }

    private func perform(_ effects: PendingEffects) {
        escalate(effects)
        for subscription in effects.wake { subscription.wake() }
    }

    private func escalate(_ effects: PendingEffects) {
        for signal in effects.escalate { csigshim_take_default_action(signal.rawValue) }
    }

    /// The thread blocks all signals, so that no handler of the host runs on a thread that the host does not know. It
    /// ends when the host has closed the bridge's descriptor.
    private func startReader(of bridge: OpaquePointer) throws(SignalBridgeError) {
        nonisolated(unsafe) let bridge = bridge
        try startThread(mask: .all()) { [self] in
            while csigshim_wait(bridge, -1) == 1 { _ = deliverPending(limit: Self.readLimit) }
        }
    }

    // MARK: under the lock

    private func open(_ state: inout State) throws(SignalBridgeError) -> OpaquePointer {
        if let bridge = state.bridge {
            if csigshim_wait(bridge, 0) < 0 { throw .noBridge(Errno.last) }
            return bridge
        }
        var opened: OpaquePointer?
        guard csigshim_open(&opened, mechanism.rawValue) == 0, let bridge = opened else {
            throw .noBridge(Errno.last)
        }
        if hasReader {
            do throws(SignalBridgeError) {
                try startReader(of: bridge)
            } catch {
                csigshim_close(bridge)
                throw error
            }
        }
        state.bridge = bridge
        return bridge
    }

    /// Returns `false` if the signal was left ignored, as the options ask.
    private func add(
        _ signal: SignalNumber, options: SignalOptions, limit: Int?, _ state: inout State, _ bridge: OpaquePointer
    ) throws(SignalBridgeError) -> Bool {
        if state.table.isSubscribed(signal) {
            if options.contains(.keepIgnored), state.ignored.contains(signal) { return false }
            let result = settle(signal, options, isAdded: true, limit: limit, state, bridge)
            if result < 0 { throw .systemCall("sigaction", signal, Errno.last) }
            return true
        }
        let flags = UInt32(options.contains(.chain) ? CSIGSHIM_CHAIN : 0)
        // Under this lock no other hub adds or removes the signal, so the disposition is the one that chaining will run.
        let (result, failure) = resendRule.withLock { rule in
            let isFirst = csigshim_state(signal.rawValue) == Int32(CSIGSHIM_ABSENT)
            let isHandled = csigshim_disposition(signal.rawValue) == Int32(CSIGSHIM_DISPOSITION_HANDLED)
            var result = csigshim_add(bridge, signal.rawValue, flags | UInt32(CSIGSHIM_KEEP_IGNORED))
            if result == 1, !options.contains(.keepIgnored) {
                result = csigshim_add(bridge, signal.rawValue, flags)
                if result == 0 { state.ignored.append(signal) }
            }
            let failure = Errno.last
            if isFirst, result == 0 { rule.save(signal, isHandled: isHandled) }
            return (result, failure)
        }
        if result < 0 {
            if failure != Errno.busy { throw .systemCall("sigaction", signal, failure) }
            throw SignalBridgeError(
                .signalInUse, signal, errno: failure,
                "\(signal) has another subscription in this process, and a loop over signalfd cannot share a signal; end that one, or use the mechanism .handler for both"
            )
        }
        if result == 0, let limit { csigshim_escalate_after(bridge, signal.rawValue, UInt32(limit)) }  // H4
        return result == 0
    }

    private func remove(_ signal: SignalNumber, _ state: inout State, _ bridge: OpaquePointer) {
        resendRule.withLock { _ in _ = csigshim_remove(bridge, signal.rawValue) }
        state.ignored.removeAll { $0 == signal }
    }

    /// Adapts the bridge to a subscription with these options, which is being added or was removed and is not in the
    /// table. Returns 0, or -1 with errno.
    @discardableResult
    private func settle(
        _ signal: SignalNumber, _ options: SignalOptions, isAdded: Bool, limit: Int? = nil, _ state: State,
        _ bridge: OpaquePointer
    ) -> Int32 {
        let others = state.table.subscribers(of: signal)
        if options.contains(.chain), !others.contains(where: { $0.options.contains(.chain) }),
            csigshim_set_chain(bridge, signal.rawValue, isAdded ? 1 : 0) < 0
        {
            return -1
        }
        let smallest = [limit, state.table.limit(of: signal)].compactMap { $0 }.min()
        if signal.terminatesByDefault { csigshim_escalate_after(bridge, signal.rawValue, UInt32(smallest ?? 0)) }  // H4
        return 0
    }

    /// H2. Returns the signals that no subscription of the hub has any more.
    private func rollBack(
        _ signals: [SignalNumber], options: SignalOptions, _ state: inout State, _ bridge: OpaquePointer
    ) -> [SignalNumber] {
        for signal in signals {
            if state.table.isSubscribed(signal) {
                settle(signal, options, isAdded: false, state, bridge)
            } else {
                remove(signal, &state, bridge)
            }
        }
        return signals.filter { !state.table.isSubscribed($0) }
    }

    /// Returns whether it stopped at the limit.
    @discardableResult
    private func readBridge(_ state: inout State, _ effects: inout PendingEffects, limit: Int) -> Bool {
        guard let bridge = state.bridge else { return false }
        var more = true
        withUnsafeTemporaryAllocation(of: csigshim_event.self, capacity: 128) { buffer in
            var total = 0
            while more && total < limit {
                let count = csigshim_read(bridge, buffer.baseAddress!, buffer.count)
                for index in 0..<max(0, count) { state.table.deliver(SignalEvent(buffer[index]), &effects) }
                more = count == buffer.count
                total += count
            }
        }
        return more
    }
}
