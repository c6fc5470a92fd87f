// The system's signals: one C bridge, and the table of those that it feeds.
//
// One lock orders everything: records leave the ring, go into mailboxes, and subscriptions come and go, under it. So a
// subscriber gets what is captured from the moment that `subscribe` returns until `unsubscribe` begins, in order, no
// matter which thread happens to read. A subscription that comes first empties the ring, so it is not given what came
// before it; one that goes first empties it too, then restores the disposition, then takes what came during that.
//
// Lock order: this lock, then a mailbox's. What user code could be behind (continuations, executors, queues) happens
// after this lock is released.
import CSignalShim
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package final class BridgeSource: SignalSource {
    /// The bridge that feeds everyone who has no thread of their own to read it. Made with the first subscription; from
    /// then on it stays, with a thread that sleeps while no signal comes.
    static let shared = BridgeSource(hasReader: true)

    private struct State {
        var bridge: OpaquePointer?
        var table = SubscriberTable()
        /// Signals that were ignored when the first subscription got them.
        var ignored: Set<SignalNumber> = []
    }
    private let state = Lock(State())
    /// The process that asked for a bridge first, or resumed it; 0: none has.
    private let owner = Atomic<pid_t>(0)
    private let hasReader: Bool
    private let mechanism: SignalLoop.Mechanism

    package init(hasReader: Bool = false, mechanism: SignalLoop.Mechanism = .handler) {
        self.hasReader = hasReader
        self.mechanism = mechanism
    }

    /// For `SignalWaiter` and `SignalLoop`, whose own thread reads.
    var bridge: OpaquePointer? { state.withLock { $0.bridge } }

    deinit {  // a waiter's, or a loop's; the shared one never ends
        if let bridge { csigshim_close(bridge) }
    }

    /// `false` in a forked child, where a thread that does not exist may hold the lock.
    var isInItsProcess: Bool { owner.load(ordering: .relaxed) == thisProcess() }

    private func claim() throws(SignalBridgeError) {
        let here = thisProcess()
        let (isFirst, owner) = owner.compareExchange(expected: 0, desired: here, ordering: .relaxed)
        if !isFirst, owner != here { throw .unusable(EPERM) }
    }

    /// Opens the bridge, for a reader that may have nothing to subscribe to yet.
    package func prepare() throws(SignalBridgeError) {
        try claim()
        try state.withLock { state throws(SignalBridgeError) in _ = try open(&state) }
    }

    /// Makes a reader that waits look again.
    package func wake() {
        state.withLock { state in
            if let bridge = state.bridge { csigshim_wake(bridge) }
        }
    }

    /// For the only thread that waits on it: no call is inside, or will be. What is subscribed has ended.
    package func close() {
        state.withLock { state in
            if let bridge = state.bridge { csigshim_close(bridge) }
            state.bridge = nil
        }
    }

    package func subscribe(_ mailbox: Mailbox) throws(SignalBridgeError) -> Set<SignalNumber> {
        try claim()
        var consequences = SubscriberTable.Consequences()
        defer { act(on: consequences) }
        do throws(SignalBridgeError) {
            return try state.withLock { state throws(SignalBridgeError) in
                let bridge = try open(&state)
                drain(&state, &consequences, limit: Self.whole)
                var left: Set<SignalNumber> = []
                mailbox.restored(Set(mailbox.signals))  // until all of it holds: another thread may read in between
                for signal in mailbox.signals where try !arm(signal, for: mailbox, &state, bridge) {
                    left.insert(signal)
                }
                mailbox.restored([])
                return left
            }
        } catch {  // as if it had never been: what came meanwhile meets what was restored
            unsubscribe(mailbox)
            for (signal, count) in mailbox.abandon(noticed: noticed) {
                resend(signal, count: count, chained: mailbox.options.contains(.chain))
            }
            throw error
        }
    }

    package func unsubscribe(_ mailbox: Mailbox) {
        var consequences = SubscriberTable.Consequences()
        defer { act(on: consequences) }
        state.withLock { state in
            guard let bridge = state.bridge else { return }
            let mine = mailbox.signals.filter { state.table.subscribers[$0]?.contains { $0 === mailbox } ?? false }
            if mine.isEmpty { return }
            drain(&state, &consequences, limit: Self.whole)
            let last = mine.filter { state.table.subscribers[$0]?.count == 1 }
            for signal in last { csigshim_remove(bridge, signal.rawValue) }
            // The last one here may not be the last one in the process: then nothing was restored, and others have it.
            mailbox.restored(Set(last.filter { csigshim_state($0.rawValue) == Int32(CSIGSHIM_ABSENT) }))
            if !last.isEmpty { drain(&state, &consequences, limit: Self.whole) }
            for signal in mine { disarm(signal, for: mailbox, &state, bridge) }
        }
    }

    package func consumed(_ signal: SignalNumber) {
        state.withLock { state in
            guard let bridge = state.bridge else { return }
            updateEscalation(of: signal, state, bridge)
        }
    }

    /// The bridges of a process see a delivery at one time. 0: none. No lock, which in a forked child somebody who does not
    /// exist might hold.
    private static let lastNotice = Atomic<UInt64>(0)
    package var noticed: UInt64? {
        let time = Self.lastNotice.load(ordering: .relaxed)
        return time == 0 ? nil : time
    }
    package func notice(_ time: UInt64) { Self.lastNotice.max(time, ordering: .relaxed) }

    package func resend(_ signal: SignalNumber, count: Int, chained: Bool) {
        // A handler that was chained to has had these deliveries already.
        if chained, csigshim_disposition(signal.rawValue) == Int32(CSIGSHIM_DISPOSITION_HANDLED) { return }
        for _ in 0..<count { _ = sendSignal(signal.rawValue, to: currentProcessID(), value: nil) }
    }

    /// Reads what is there, on any thread. With a limit, so that a flood cannot keep a reader for itself: `true` if there
    /// may be more.
    @discardableResult
    package func drain(limit: Int = 4096) -> Bool {
        var consequences = SubscriberTable.Consequences()
        let more = state.withLock { drain(&$0, &consequences, limit: limit) }
        act(on: consequences)
        return more
    }

    /// In a forked child: see `SignalWaiter.resumeAfterFork`.
    func resumeAfterFork() throws(SignalBridgeError) -> Bool {
        state.reinitializeAfterFork()
        owner.store(thisProcess(), ordering: .relaxed)
        return try state.withLock { state throws(SignalBridgeError) in
            guard let bridge = state.bridge else { return false }
            if csigshim_after_fork(bridge) < 0 { throw .systemCall("csigshim_after_fork", nil, errno) }
            for signal in state.table.subscribers.signals { updateEscalation(of: signal, state, bridge) }
            return true
        }
    }

    /// Whether somebody closed the descriptor, so that nothing arrives any more.
    var isDeaf: Bool {
        isInItsProcess && state.withLock { state in state.bridge.map { csigshim_wait($0, 0) < 0 } ?? false }
    }

    /// A limit for `drain` that takes out all that is in a full ring, and ends also in a flood.
    static let whole = 2 * EventQueue.capacity

    // MARK: under the lock

    private func open(_ state: inout State) throws(SignalBridgeError) -> OpaquePointer {
        if let bridge = state.bridge {
            if csigshim_wait(bridge, 0) < 0 { throw .unusable(errno) }
            return bridge
        }
        var opened: OpaquePointer?
        guard csigshim_open(&opened, mechanism.rawValue) == 0, let bridge = opened else {
            if errno == ENOTSUP { throw .noSignalfd }
            throw errno == EPERM ? .unusable(errno) : .noBridge(errno)
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

    /// `false`: left ignored, as asked.
    private func arm(
        _ signal: SignalNumber, for mailbox: Mailbox, _ state: inout State, _ bridge: OpaquePointer
    ) throws(SignalBridgeError) -> Bool {
        let chain = mailbox.options.contains(.chain)
        if let others = state.table.subscribers[signal] {
            if mailbox.options.contains(.keepIgnored) && state.ignored.contains(signal) { return false }
            if chain && !others.contains(where: { $0.options.contains(.chain) }) {
                csigshim_set_chain(bridge, signal.rawValue, 1)
            }
        } else {
            let flags = UInt32(chain ? CSIGSHIM_CHAIN : 0)
            var result = csigshim_add(bridge, signal.rawValue, flags | UInt32(CSIGSHIM_KEEP_IGNORED))
            if result == 1 {
                if mailbox.options.contains(.keepIgnored) { return false }
                result = csigshim_add(bridge, signal.rawValue, flags)
                if result == 0 { state.ignored.insert(signal) }
            }
            if result < 0 { throw errno == EBUSY ? .otherMechanism(signal) : .systemCall("sigaction", signal, errno) }
        }
        state.table.add(mailbox, to: signal)
        updateEscalation(of: signal, state, bridge)
        return true
    }

    private func disarm(
        _ signal: SignalNumber, for mailbox: Mailbox, _ state: inout State, _ bridge: OpaquePointer
    ) {
        guard state.table.remove(mailbox, from: signal) else { return }
        guard let others = state.table.subscribers[signal] else {
            state.ignored.remove(signal)
            csigshim_remove(bridge, signal.rawValue)  // ENOENT if `unsubscribe` did it already
            return
        }
        if mailbox.options.contains(.chain), !others.contains(where: { $0.options.contains(.chain) }) {
            csigshim_set_chain(bridge, signal.rawValue, 0)
        }
        updateEscalation(of: signal, state, bridge)
    }

    /// While this reads, it decides who has had one too many; if ever nobody reads, the C handler does, with what is
    /// left of the number.
    private func updateEscalation(of signal: SignalNumber, _ state: State, _ bridge: OpaquePointer) {
        guard signal.terminatesByDefault else { return }
        csigshim_escalate_after(bridge, signal.rawValue, UInt32(state.table.remaining(of: signal)))
    }

    /// `true`: it stopped at the limit.
    @discardableResult
    private func drain(
        _ state: inout State, _ consequences: inout SubscriberTable.Consequences, limit: Int
    ) -> Bool {
        guard let bridge = state.bridge else { return false }
        var escalating: [SignalNumber] = []
        var more = true
        withUnsafeTemporaryAllocation(of: csigshim_event.self, capacity: 128) { buffer in
            var total = 0
            while more && total < limit {
                let count = csigshim_read(bridge, buffer.baseAddress!, buffer.count)
                for index in 0..<max(0, count) {
                    let event = SignalEvent(buffer[index])
                    state.table.deliver(event, &consequences)
                    if state.table.escalates(event.signal), !escalating.contains(event.signal) {
                        escalating.append(event.signal)
                    }
                }
                more = count == buffer.count
                total += count
            }
        }
        for signal in escalating { updateEscalation(of: signal, state, bridge) }
        return more
    }

    /// It blocks all signals: the host's are not for a thread that the host does not know. Where the bridge is polled, it
    /// ends when somebody has closed the descriptor.
    private func startReader(of bridge: OpaquePointer) throws(SignalBridgeError) {
        nonisolated(unsafe) let bridge = bridge
        try startThread(mask: .all()) { [self] in
            while csigshim_wait(bridge, -1) == 1 { drain() }
        }
    }

    // MARK: after the lock

    private func act(on consequences: SubscriberTable.Consequences) {
        for signal in consequences.escalate { csigshim_take_default_action(signal.rawValue) }
        for mailbox in consequences.wake { mailbox.wake() }
    }
}
