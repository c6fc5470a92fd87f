/// The time of a ``SignalSimulator``, for code that sleeps on a clock which it is given.
///
/// ```swift
/// func poll(_ clock: some Clock<Duration>) async throws -> Int {
///     try await clock.sleep(for: .seconds(3600))
///     return 1
/// }
///
/// try await withSimulatedSignals { simulator in
///     async let polls = poll(simulator.clock)
///     await simulator.clock.waitForSleeper()
///     simulator.advance(by: .seconds(3600))
///     let count = try await polls
///     precondition(count == 1)
/// }
/// ```
public struct SimulatedClock: Clock {
    /// A point of the simulated time.
    public struct Instant: InstantProtocol {
        /// The time since the simulation began.
        public let offset: Duration

        /// The instant so much later.
        public func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        /// The time from this instant to the other one.
        public func duration(to other: Instant) -> Duration { other.offset - offset }
        /// Whether the first one is earlier.
        public static func < (a: Instant, b: Instant) -> Bool { a.offset < b.offset }
    }

    private let simulator: SignalSimulator

    init(_ simulator: SignalSimulator) { self.simulator = simulator }

    /// The simulated time.
    public var now: Instant { Instant(offset: simulator.now) }
    /// A nanosecond.
    public var minimumResolution: Duration { .nanoseconds(1) }

    /// Suspends the task until ``SignalSimulator/advance(by:)`` has moved the clock there.
    ///
    /// - Throws: `CancellationError` if the task is cancelled.
    public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
        let isDue = Latch()
        let forget = simulator.call(at: deadline.offset) { isDue.open() }
        defer { forget() }
        let wake = simulator.sleepers.add(until: isDue)
        defer { wake() }
        await isDue.wait()
        try Task.checkCancellation()
    }

    /// Suspends the task until another one sleeps on this clock, or the calling task is cancelled. What sleeps again after each
    /// step of work is ready for the next step of the clock then.
    public func waitForSleeper() async { await simulator.sleepers.wait() }
}

extension SignalSimulator {
    /// The simulated time as a clock.
    public var clock: SimulatedClock { SimulatedClock(self) }
}

/// Who sleeps on a simulated clock, and who waits for a sleeper.
final class Sleepers: Sendable {
    private struct State {
        var sleeping = Numbered<Latch>()
        var lastID = 0
        var arrival = Latch()
    }
    private let state = Lock(State())

    /// The result takes the sleeper out.
    func add(until isDue: Latch) -> () -> Void {
        let (id, arrival) = state.withLock { state in
            state.lastID += 1
            state.sleeping[state.lastID] = isDue
            defer { state.arrival = Latch() }
            return (state.lastID, state.arrival)
        }
        arrival.open()
        return { [self] in _ = state.withLock { $0.sleeping.removeValue(forKey: id) } }
    }

    /// One whose time has come, and that has not run yet, sleeps no more.
    func wait() async {
        while !Task.isCancelled {
            let arrival = state.withLock { $0.sleeping.values.contains { !$0.isOpen } ? nil : $0.arrival }
            guard let arrival else { return }
            await arrival.wait()
        }
    }
}
