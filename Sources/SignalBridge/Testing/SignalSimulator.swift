import Dispatch

/// The stand-in for the system in ``withSimulatedSignals(isolation:_:)``. It sends signals to the subscriptions of one task
/// tree only, so tests of shutdown code can run in parallel, and no process gets a signal.
///
/// ```swift
/// func serve() async throws -> String {
///     for await event in try SignalEvents(.sighup, .sigterm) where event.signal == .sigterm {
///         return "ended by \(event.signal)"
///     }
///     return "ended by itself"
/// }
///
/// try await withSimulatedSignals { simulator in
///     async let result = serve()
///     await simulator.waitForSubscriber(of: .sigterm)
///     try simulator.send(.sighup)
///     try simulator.send(.sigterm)
///     let text = try await result
///     precondition(text == "ended by SIGTERM")
///     precondition(simulator.forcedExit == nil)
/// }
/// ```
///
/// It refuses what the system would refuse. Where the system would end the process, it records ``forcedExit``. Callable from
/// any thread.
public final class SignalSimulator: Sendable {
    /// The simulator of the calling task or thread; `nil` outside of a simulation.
    package static var current: SignalSimulator? { SignalContext.current as? SignalSimulator }

    private struct State {
        var table = SubscriberTable()
        /// Signals whose disposition is to be ignored, while no subscription has them.
        var ignored: Set<SignalNumber> = []
        var now: Duration = .zero
        /// The number of the last delivery: see `ResendRule`.
        var deliveries: UInt64 = 0
        var forcedExit: SignalNumber?
        var arrivals = Numbered<(signal: SignalNumber, continuation: CheckedContinuation<Void, Never>)>()
        var clocks = Numbered<(deadline: @Sendable () -> Duration?, passed: @Sendable () -> Void)>()
        var lastID = 0
    }
    private let state = Lock(State())
    let resendRule = Lock(ResendRule())
    let sleepers = Sleepers()
    /// For SignalDaemon: a daemon of this simulation is ready, or has ended.
    package let (ready, ended) = (Latch(), Latch())

    init() {}

    /// Delivers a signal, as if it had been sent to the process.
    ///
    /// Without a subscription it does what the disposition says: nothing, or it sets ``forcedExit``.
    ///
    /// - Parameters:
    ///   - signal: any signal that the system has.
    ///   - value: the value that `sigqueue(3)` would send along.
    ///   - sender: the apparent sender; `nil`: the kernel. By default, this process.
    /// - Throws: ``SignalBridgeError/Code/outOfRange`` or ``SignalBridgeError/Code/reserved``.
    public func send(
        _ signal: SignalNumber, value: Int? = nil,
        sender: SignalEvent.Sender? = .current
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
    /// Deadlines on the way pass one by one, each at its time: what follows from one has its own deadline met before a
    /// later one. All of a `Daemon.run`'s decisions are made when this returns.
    ///
    /// - Parameter duration: how far; a negative one moves nothing.
    public func advance(by duration: Duration) {
        var left = max(.zero, duration.bounded)
        repeat {
            let deadlines = state.withLock { $0.clocks }.values.compactMap { $0.deadline() }
            let clocks = state.withLock { state in
                let next = deadlines.filter { $0 > state.now }.min().map { $0 - state.now } ?? left
                state.now += min(next, left)
                left -= min(next, left)
                return state.clocks  // also what was added meanwhile: later additions see the new time
            }
            for clock in clocks.values { clock.passed() }
        } while left > .zero
    }

    /// The simulated time since the simulation began.
    public var now: Duration { state.withLock { $0.now } }

    /// The first signal that would have ended the process; `nil` if none would have.
    public var forcedExit: SignalNumber? { state.withLock { $0.forcedExit } }

    /// Runs `body` on this thread in the simulation: for threads and dispatch queues, which do not belong to the task tree.
    ///
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws.
    public func withSimulation<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        do {
            return try SignalContext.$current.withValue(self, operation: body)
        } catch {
            throw error as! Failure  // `withValue` rethrows without a type
        }
    }

    /// Suspends the task until the signal has a subscription, or the task is cancelled.
    ///
    /// - Parameter signal: the signal.
    public func waitForSubscriber(of signal: SignalNumber) async {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let resumes = state.withLock { state in
                    if state.table.isSubscribed(signal) || Task.isCancelled { return true }
                    state.arrivals[id] = (signal, continuation)
                    return false
                }
                if resumes { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.arrivals.removeValue(forKey: id) }?.continuation.resume()
        }
    }

    // MARK: for SignalDaemon

    /// Records the end that the default action of the signal would be.
    package func forceEnd(by signal: SignalNumber) {
        state.withLock { $0.forcedExit = $0.forcedExit ?? signal }
    }

    /// Calls `passed` after each move of the clock. The clock stops at `deadline` on its way.
    package func watchClock(
        deadline: @escaping @Sendable () -> Duration?, passed: @escaping @Sendable () -> Void
    ) -> Int {
        state.withLock { state in
            state.lastID += 1
            state.clocks[state.lastID] = (deadline, passed)
            return state.lastID
        }
    }

    package func forgetClock(_ id: Int) {
        state.discard { $0.clocks.removeValue(forKey: id) }
    }

    /// Blocks the thread until the semaphore is signalled or the clock has come to the deadline.
    package func block(on semaphore: DispatchSemaphore, until deadline: Duration?) {
        let forget = deadline.map { call(at: $0) { semaphore.signal() } }
        defer { forget?() }
        semaphore.wait()
    }

    // MARK: inside

    /// Calls `action` when the clock has come to the deadline, at least once. The result takes the request back.
    func call(at deadline: Duration, _ action: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        let id = watchClock(deadline: { deadline }) { [weak self] in
            if let self, now >= deadline { action() }
        }
        if now >= deadline { action() }  // before it was watched
        return { [self] in forgetClock(id) }
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
    func subscribe(
        _ subscription: Subscription, to signals: [SignalNumber], escalateAfterUnread limit: Int?
    ) throws(SignalBridgeError) {
        let arrived = try state.withLock { state throws(SignalBridgeError) in
            if !subscription.isOpen { throw .subscriptionEnded }
            let new = signals.filter { !state.table.contains(subscription, $0) }
            let left = subscription.options.contains(.keepIgnored) ? state.ignored.intersection(new) : []
            let added = new.filter { !left.contains($0) }
            for signal in added { state.table.add(subscription, to: signal) }
            subscription.begin(added, escalateAfterUnread: limit, leftIgnored: left, since: state.deliveries + 1)
            let arrived = state.arrivals.take(where: { state.table.isSubscribed($0.signal) })
            return arrived
        }
        for waiting in arrived { waiting.continuation.resume() }
    }

    func unsubscribe(_ subscription: Subscription) {
        state.withLock { state in
            for signal in state.table.signals(of: subscription) { state.table.remove(subscription, from: signal) }
            resendRule.withLock { $0.unsubscribe(subscription) }
        }
    }

    func raiseAgain(_ signal: SignalNumber) { try? send(signal) }
}

extension SignalSimulator: SignalEnvironment {
    var source: any SignalSource { self }
    func source(on loop: SignalLoop) -> any SignalSource { self }
    func makeWaitableSource() -> any WaitableSource { SimulatedWait(self) }

    func send(_ signal: SignalNumber, to target: SignalTarget, value: Int?) throws(SignalBridgeError) {
        if target.includesThisProcess { return try send(signal, value: value) }
        try SystemEnvironment().send(signal, to: target, value: value)
    }

    func disposition(of signal: SignalNumber) throws(SignalBridgeError) -> SignalDisposition {
        try check(signal)
        return state.withLock { state in
            state.table.isSubscribed(signal) ? .handler : state.ignored.contains(signal) ? .ignore : .default
        }
    }

    func setDisposition(
        _ disposition: SignalDisposition, of signal: SignalNumber
    ) throws(SignalBridgeError) {
        try state.withLock { state throws(SignalBridgeError) in
            if state.table.isSubscribed(signal) { throw .signalInUse(signal) }
            if disposition == .ignore { state.ignored.insert(signal) } else { state.ignored.remove(signal) }
        }
    }

    func performDefaultAction(of signal: SignalNumber) throws(SignalBridgeError) {
        try check(signal)
        state.withLock { end(by: signal, &$0) }
    }

    /// No other handler exists in a simulation.
    func rearm(_ signal: SignalNumber) throws(SignalBridgeError) {
        if try disposition(of: signal) != .handler { throw .nothingToRearm(signal) }
    }

    func examine(_ signal: SignalNumber) throws(SignalBridgeError) -> SignalDiagnostics.Findings {
        let disposition = try disposition(of: signal)
        return SignalDiagnostics.Findings(isArmed: disposition == .handler, isIgnored: disposition == .ignore)
    }

    func block(on semaphore: DispatchSemaphore, timeout: Duration?) {
        block(on: semaphore, until: timeout.map { now + max(.zero, $0.bounded) })
    }

    func schedule(
        after timeout: Duration, _ action: @escaping @Sendable () -> Void
    ) -> @Sendable () -> Void {
        call(at: now + max(.zero, timeout.bounded), action)
    }
}

/// Runs `body` with a simulator in place of the system: in this task tree, every subscription of this module listens to
/// it, and so do calls such as ``SignalNumber/send(to:value:)``. Nothing outside of the tree is affected; threads and queues
/// enter with ``SignalSimulator/withSimulation(_:)``.
///
/// - Parameters:
///   - isolation: the actor on which `body` runs, by default the caller's.
///   - body: code that is given the simulator.
/// - Returns: what `body` returns.
/// - Throws: what `body` throws.
public func withSimulatedSignals<Result>(
    isolation: isolated (any Actor)? = #isolation,
    _ body: (SignalSimulator) async throws -> Result
) async rethrows -> Result {
    let simulator = SignalSimulator()
    return try await SignalContext.$current.withValue(simulator, operation: { try await body(simulator) })
}
