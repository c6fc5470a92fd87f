import Dispatch

/// A simulated system, for ``withSimulatedSignals(isolation:_:)``. It sends signals only to the subscriptions of one
/// task tree, so tests of shutdown code can run in parallel, and no process gets a signal.
///
/// It refuses the signals that the system would refuse. Where the system would end the process, it records
/// ``forcedExit``. Callable from any thread. <doc:TestingShutdown> has examples.
public final class SignalSimulator: Sendable {
    /// The simulator of the calling task or thread; `nil` outside of a simulation.
    @TaskLocal package static var current: SignalSimulator?

    /// Whether the calling task or thread is in a simulation. `current == nil` is always false in an optimized build of
    /// another module (Swift 6.3.1).
    package static var isSimulating: Bool { current != nil }

    private struct State {
        var table = SubscriberTable()
        /// Signals whose disposition is to be ignored, while no subscription has them.
        var ignored: [SignalNumber] = []
        var now: Duration = .zero
        /// The number of the last delivery: see `ResendRule`.
        var deliveries: UInt64 = 0
        var forcedExit: SignalNumber?
        var arrivals: [(signal: SignalNumber, latch: Latch)] = []
        var clocks = Numbered<(deadline: @Sendable () -> Duration?, passed: @Sendable () -> Void)>()
    }
    private let state = Lock(State())
    let resendRule = Lock(ResendRule())
    let sleepers = Sleepers()
    let endings = Lock(())
    /// For SignalDaemon: latches that open when a daemon of this simulation is ready, and when one has ended.
    package let (ready, ended) = (Latch(), Latch())

    init() {}

    /// Delivers a signal, as if it had been sent to the process.
    ///
    /// Without a subscription, the disposition decides: nothing happens, or ``forcedExit`` is set.
    ///
    /// - Parameters:
    ///   - signal: any signal that the system has.
    ///   - value: the value that `sigqueue(3)` would send.
    ///   - sender: the apparent sender; `nil`: the kernel. By default, this process.
    /// - Throws: ``SignalBridgeError/Code/outOfRange`` or ``SignalBridgeError/Code/reserved``.
    public func send(
        _ signal: SignalNumber, value: Int? = nil, sender: SignalEvent.Sender? = .current
    ) throws(SignalBridgeError) {
        try check(signal)
        var effects = PendingEffects()
        state.withLock { state in
            if !state.table.isSubscribed(signal) {
                if !state.ignored.contains(signal) { end(by: signal, &state) }
                return
            }
            state.deliveries += 1
            let event = SignalEvent(
                signal, count: 1, sender: sender, value: value, nanoseconds: state.now.clampedNanoseconds,
                delivery: state.deliveries)
            state.table.deliver(event, &effects)
            for signal in effects.escalate { end(by: signal, &state) }
        }
        for subscription in effects.wake { subscription.wake() }
    }

    /// Moves the simulated clock, by which the deadlines of this task tree are measured.
    ///
    /// Deadlines pass one by one, each at its own time, including those that an earlier one sets. When this returns, a
    /// `Daemon.run` has made all of its decisions. A negative duration has no effect.
    public func advance(by duration: Duration) {
        var left = max(.zero, duration.bounded)
        repeat {
            let deadlines = state.withLock { $0.clocks }.values.compactMap { $0.deadline() }
            let clocks = state.withLock { state in
                let next = deadlines.filter { $0 > state.now }.min().map { $0 - state.now } ?? left
                state.now += min(next, left)
                left -= min(next, left)
                return state.clocks  // including those added meanwhile; later ones see the new time
            }
            for clock in clocks.values { clock.passed() }
        } while left > .zero
    }

    /// The simulated time since the simulation began.
    public var now: Duration { state.withLock { $0.now } }

    /// The first signal that would have ended the process; `nil` if there was none.
    public var forcedExit: SignalNumber? { state.withLock { $0.forcedExit } }

    /// Runs `body` on this thread in the simulation. It is for threads and dispatch queues, which do not belong to the
    /// task tree.
    public func withSimulation<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        do {
            return try SignalSimulator.$current.withValue(self, operation: body)
        } catch {
            throw error as! Failure  // `withValue` rethrows without a type
        }
    }

    /// Suspends the task until the signal has a subscription, or the task is cancelled.
    public func waitForSubscriber(of signal: SignalNumber) async {
        let arrival = Latch()
        state.withLock { state in
            if state.table.isSubscribed(signal) { arrival.open() } else { state.arrivals.append((signal, arrival)) }
        }
        await arrival.wait()
        state.withLock { $0.arrivals.removeAll { $0.latch === arrival } }
    }

    // MARK: for SignalDaemon

    /// Records that the default action of the signal would end the process.
    package func forceEnd(by signal: SignalNumber) {
        state.withLock { $0.forcedExit = $0.forcedExit ?? signal }
    }

    /// Calls `passed` after each move of the clock. The clock stops at `deadline` on its way.
    package func watchClock(
        deadline: @escaping @Sendable () -> Duration?, passed: @escaping @Sendable () -> Void
    ) -> Int {
        state.withLock { $0.clocks.add((deadline, passed)) }
    }

    package func forgetClock(_ id: Int) {
        state.discard { $0.clocks.remove(id) }
    }

    // MARK: time

    /// The time of the clock after this duration.
    func time(after timeout: Duration) -> Duration { now + max(.zero, timeout.bounded) }

    /// Blocks the thread until the semaphore is signalled or the clock has come to the deadline.
    func block(on semaphore: DispatchSemaphore, until deadline: Duration?) {
        let forget = deadline.map { call(at: $0) { semaphore.signal() } }
        defer { forget?() }
        semaphore.wait()
    }

    /// Calls `action` when the clock has come to the deadline, at least once. The returned closure cancels that.
    func call(at deadline: Duration, _ action: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        let id = watchClock(deadline: { deadline }) { [weak self] in
            if let self, now >= deadline { action() }
        }
        if now >= deadline { action() }  // before it was watched
        return { [self] in forgetClock(id) }
    }

    // MARK: dispositions

    func disposition(of signal: SignalNumber) throws(SignalBridgeError) -> SignalDisposition {
        try check(signal)
        return state.withLock { state in
            state.table.isSubscribed(signal) ? .handler : state.ignored.contains(signal) ? .ignore : .default
        }
    }

    func setDisposition(_ disposition: SignalDisposition, of signal: SignalNumber) throws(SignalBridgeError) {
        try state.withLock { state throws(SignalBridgeError) in
            if state.table.isSubscribed(signal) { throw .signalInUse(signal) }
            state.ignored.removeAll { $0 == signal }
            if disposition == .ignore { state.ignored.append(signal) }
        }
    }

    func performDefaultAction(of signal: SignalNumber) throws(SignalBridgeError) {
        try check(signal)
        state.withLock { end(by: signal, &$0) }
    }

    private func end(by signal: SignalNumber, _ state: inout State) {
        if signal.terminatesByDefault, state.forcedExit == nil { state.forcedExit = signal }
    }

    private func check(_ signal: SignalNumber) throws(SignalBridgeError) {
        guard let refusal = SignalBridgeError.refusing(signal) else { return }
        if refusal.code == .outOfRange || refusal.code == .reserved { throw refusal }
    }
}

extension SignalSimulator: SignalSource {
    func subscribe(_ subscription: Subscription, to signals: [SignalNumber], limit: Int?) throws(SignalBridgeError) {
        let arrived = try state.withLock { state throws(SignalBridgeError) in
            if !subscription.isOpen { throw .subscriptionEnded }
            let new = signals.filter { !state.table.contains(subscription, $0) }
            let left = subscription.options.contains(.keepIgnored) ? new.filter(state.ignored.contains) : []
            let added = new.filter { !left.contains($0) }
            for signal in added { state.table.add(subscription, to: signal) }
            subscription.begin(added, limit: limit, leftIgnored: left, since: state.deliveries + 1)
            return state.arrivals.filter { added.contains($0.signal) }
        }
        for arrival in arrived { arrival.latch.open() }
    }

    func unsubscribe(_ subscription: Subscription) {
        state.withLock { state in
            for signal in state.table.signals(of: subscription) { state.table.remove(subscription, from: signal) }
            resendRule.withLock { $0.unsubscribe(subscription) }
        }
    }

    func raiseAgain(_ signal: SignalNumber) { try? send(signal) }
}

/// Runs `body` with a simulator instead of the system, on the caller's actor.
///
/// In this task tree, every subscription of this module uses the simulator, and so do calls such as
/// ``SignalNumber/send(to:value:)``. Code outside of the tree is not affected. Threads and queues enter with
/// ``SignalSimulator/withSimulation(_:)``.
public func withSimulatedSignals<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (SignalSimulator) async throws -> Result
) async rethrows -> Result {
    let simulator = SignalSimulator()
    return try await SignalSimulator.$current.withValue(simulator, operation: { try await body(simulator) })
}
