/// The clock of a ``SignalSimulator``, for code that takes a clock as a parameter.
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

        /// Makes the instant at this duration after the beginning.
        public init(offset: Duration) { self.offset = offset }

        /// The instant that is later by this duration.
        public func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        /// The duration from this instant to the other one.
        public func duration(to other: Instant) -> Duration { other.offset - offset }
        /// Whether the first instant is earlier than the second.
        public static func < (a: Instant, b: Instant) -> Bool { a.offset < b.offset }
    }

    private let simulator: SignalSimulator

    init(_ simulator: SignalSimulator) { self.simulator = simulator }

    /// The simulated time.
    public var now: Instant { Instant(offset: simulator.now) }
    /// The smallest step of the clock: a nanosecond.
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

    /// Suspends the task until another one sleeps on this clock, or the calling task is cancelled. Code that sleeps
    /// after each step of work is then ready for the next move of the clock.
    public func waitForSleeper() async { await simulator.sleepers.wait() }
}

extension SignalSimulator {
    /// The simulated time as a clock.
    public var clock: SimulatedClock { SimulatedClock(self) }
}
