import CSignalShim
import Dispatch

/// Stands in for the system in ``withSimulatedSignals(isolation:_:)``: sends signals to the subscriptions of one task
/// tree, and to nobody else. Tests of shutdown code run in parallel with it, and no process gets a signal.
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
/// It refuses what the system would refuse. Where the system would end the process, it records ``forcedExit``.
public final class SignalSimulator: Sendable {
    @TaskLocal package static var current: SignalSimulator?

    private struct State {
        var table = SubscriberTable()
        var ignored: Set<SignalNumber> = []
        var now: Duration = .zero
        var forcedExit: SignalNumber?
        var noticed: UInt64?
        var arrivals: [Int: (signal: SignalNumber, continuation: CheckedContinuation<Void, Never>)] = [:]
        var clocks: [Int: (deadline: @Sendable () -> Duration?, passed: @Sendable () -> Void)] = [:]
        var lastID = 0
    }
    private let state = Lock(State())
    package let ready = Latch()

    init() {}

    /// Delivers a signal, as if it had been sent to the process.
    ///
    /// Without a subscriber it does what the disposition says: nothing, or it sets ``forcedExit``.
    ///
    /// - Parameters:
    ///   - signal: any signal that exists here.
    ///   - value: what `sigqueue(3)` would send along.
    ///   - sender: who it seems to come from; `nil`: the kernel. By default, this process.
    /// - Throws: ``SignalBridgeError/Code/outOfRange`` or ``SignalBridgeError/Code/reserved``.
    public func send(
        _ signal: SignalNumber, value: Int? = nil,
        sender: SignalEvent.Sender? = .current
    ) throws(SignalBridgeError) {
        try check(signal)
        var consequences = SubscriberTable.Consequences()
        state.withLock { state in
            if state.table.subscribers[signal] == nil {
                if !state.ignored.contains(signal) { end(signal, &state) }
                return
            }
            let (seconds, attoseconds) = state.now.components
            let nanoseconds =
                UInt64(clamping: seconds) &* 1_000_000_000 &+ UInt64(clamping: attoseconds / 1_000_000_000)
            let event = SignalEvent(signal, count: 1, sender: sender, value: value, nanoseconds: nanoseconds)
            state.table.deliver(event, &consequences)
            for signal in consequences.escalate { end(signal, &state) }
        }
        for mailbox in consequences.wake { mailbox.wake() }
    }

    /// Moves the simulated clock, by which the deadlines of this task tree are measured.
    ///
    /// Deadlines on the way pass one by one, each at its time: what follows from one has its own deadline met before a
    /// later one. All of a `Daemon.run`'s decisions are made when this returns.
    public func advance(by duration: Duration) {
        var left = max(.zero, min(duration, .seconds(1 << 40)))
        repeat {
            let clocks = state.withLock { $0.clocks }
            let deadlines = clocks.values.compactMap { $0.deadline() }
            state.withLock { state in
                let next = deadlines.filter { $0 > state.now }.min().map { $0 - state.now } ?? left
                state.now += min(next, left)
                left -= min(next, left)
            }
            for (_, clock) in clocks.sorted(by: { $0.key < $1.key }) { clock.passed() }
        } while left > .zero
    }

    /// The simulated time since the simulation began.
    public var now: Duration { state.withLock { $0.now } }

    /// The signal that would have ended the process, if one would have: the first.
    public var forcedExit: SignalNumber? { state.withLock { $0.forcedExit } }

    /// Runs `body` on this thread with its subscriptions simulated: for threads and dispatch queues, which do not belong
    /// to the task tree.
    public func withSimulation<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        do {
            return try Self.$current.withValue(self, operation: body)
        } catch {
            throw error as! Failure  // `withValue` rethrows without saying what
        }
    }

    /// Returns once somebody subscribes to the signal, or when the task is cancelled.
    public func waitForSubscriber(of signal: SignalNumber) async {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goOn = state.withLock { state in
                    if state.table.subscribers[signal] != nil || Task.isCancelled { return true }
                    state.arrivals[id] = (signal, continuation)
                    return false
                }
                if goOn { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.arrivals.removeValue(forKey: id) }?.continuation.resume()
        }
    }

    /// Returns once a daemon in the simulation has called `Daemon.notifyReady()`, or when the task is cancelled: what its body
    /// registers before that is then in place. ``waitForSubscriber(of:)`` returns earlier, when it has only subscribed.
    public func waitUntilReady() async {
        await ready.wait()
    }

    // MARK: for the library

    func set(_ disposition: SignalDisposition, for signal: SignalNumber) throws(SignalBridgeError) {
        try state.withLock { state throws(SignalBridgeError) in
            if state.table.subscribers[signal] != nil { throw .signalInUse(signal) }
            if disposition == .ignore { state.ignored.insert(signal) } else { state.ignored.remove(signal) }
        }
    }

    func disposition(of signal: SignalNumber) throws(SignalBridgeError) -> SignalDisposition {
        try check(signal)
        return state.withLock { state in
            state.table.subscribers[signal] != nil ? .handler : state.ignored.contains(signal) ? .ignore : .default
        }
    }

    func performDefaultAction(of signal: SignalNumber) throws(SignalBridgeError) {
        try check(signal)
        state.withLock { end(signal, &$0) }
    }

    /// The end that `die` would be.
    package func forceEnd(by signal: SignalNumber) {
        state.withLock { $0.forcedExit = $0.forcedExit ?? signal }
    }

    /// Calls `passed` whenever the clock has come to `deadline`, or past it, or anywhere else.
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
        let dropped = state.withLock { $0.clocks.removeValue(forKey: id) }
        _ = dropped  // released outside of the lock
    }

    /// Blocks the thread until the semaphore is signalled or the clock has come so far.
    package func block(on semaphore: DispatchSemaphore, until deadline: Duration?) {
        let id = watchClock(deadline: { deadline }) { [weak self] in
            if let self, let deadline, now >= deadline { semaphore.signal() }
        }
        defer { forgetClock(id) }
        if let deadline, now >= deadline { return }
        semaphore.wait()
    }

    private func end(_ signal: SignalNumber, _ state: inout State) {
        if signal.terminatesByDefault, state.forcedExit == nil { state.forcedExit = signal }
    }

    private func check(_ signal: SignalNumber) throws(SignalBridgeError) {
        guard let refusal = SignalBridgeError.refusing(signal) else { return }
        if refusal.code == .outOfRange || refusal.code == .reserved { throw refusal }
    }
}

extension SignalSimulator: SignalSource {
    package func subscribe(_ mailbox: Mailbox) throws(SignalBridgeError) -> Set<SignalNumber> {
        let (left, arrived) = state.withLock { state in
            let left = mailbox.options.contains(.keepIgnored) ? state.ignored.intersection(mailbox.signals) : []
            for signal in mailbox.signals where !left.contains(signal) { state.table.add(mailbox, to: signal) }
            let arrived = state.arrivals.filter { state.table.subscribers[$0.value.signal] != nil }
            for id in arrived.keys { state.arrivals[id] = nil }
            return (left, arrived)
        }
        for (_, waiting) in arrived { waiting.continuation.resume() }
        return left
    }

    package func unsubscribe(_ mailbox: Mailbox) {
        state.withLock { state in
            var restored: Set<SignalNumber> = []
            for signal in mailbox.signals where state.table.remove(mailbox, from: signal) {
                if state.table.subscribers[signal] == nil { restored.insert(signal) }
            }
            if !restored.isEmpty { mailbox.restored(restored) }
        }
    }

    package func consumed(_ signal: SignalNumber) {}

    package var noticed: UInt64? { state.withLock { $0.noticed } }
    package func notice(_ time: UInt64) { state.withLock { $0.noticed = max($0.noticed ?? 0, time) } }

    package func resend(_ signal: SignalNumber, count: Int, chained: Bool) {
        for _ in 0..<count { try? send(signal) }
    }
}

/// Where a subscription that is made here and now listens.
func currentSource() -> any SignalSource {
    SignalSimulator.current ?? BridgeSource.shared
}

/// Runs `body` with a simulator in place of the system: in this task tree, every subscription of this module listens to
/// it. What is made outside of the tree is not affected; threads and queues enter with ``SignalSimulator/withSimulation(_:)``.
public func withSimulatedSignals<Result>(
    isolation: isolated (any Actor)? = #isolation,
    _ body: (SignalSimulator) async throws -> Result
) async rethrows -> Result {
    let simulator = SignalSimulator()
    return try await SignalSimulator.$current.withValue(simulator, operation: { try await body(simulator) })
}
