/// The time of `CLOCK_MONOTONIC`, the clock of ``SignalEvent/monotonicNanoseconds``.
package func monotonicNow() -> Duration {
    let (seconds, nanoseconds) = readMonotonicClock()
    return .seconds(seconds) + .nanoseconds(nanoseconds)
}

/// The same in nanoseconds.
func monotonicNanoseconds() -> UInt64 {
    let (seconds, nanoseconds) = readMonotonicClock()
    return UInt64(seconds) * 1_000_000_000 + UInt64(nanoseconds)
}

extension Duration {
    /// The number of milliseconds that is not shorter than this duration.
    package var roundedUpToMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    }

    /// This duration, or 35,000 years if it is longer, so that sums do not overflow.
    var bounded: Duration { min(self, .seconds(1 << 40)) }

    /// Whole nanoseconds from zero up to what fits.
    var clampedNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(clamping: seconds) &* 1_000_000_000 &+ UInt64(clamping: attoseconds / 1_000_000_000)
    }
}
