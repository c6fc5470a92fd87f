import Dispatch

/// The time of `CLOCK_MONOTONIC`, the clock of ``SignalEvent/monotonicNanoseconds``.
package func monotonicNow() -> Duration { .nanoseconds(Int64(monotonicNanoseconds())) }

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

    /// From zero to 34 years, in whole milliseconds.
    var dispatchInterval: DispatchTimeInterval {
        .milliseconds(Int(max(.zero, min(self, .seconds(1 << 30))).roundedUpToMilliseconds))
    }
}
