/// Options of a subscription. Combine them as in a set: `[.chain, .keepIgnored]`.
public struct SignalOptions: OptionSet, Sendable {
    /// The bits of the options, one for each.
    public let rawValue: Int

    /// Makes options from their bits. Unknown bits do nothing.
    public init(rawValue: Int) {
        self.rawValue = rawValue
    }

    /// Runs the previous handler too, once for each delivery, by its own `sigaction(2)` flags. `SIG_DFL` and `SIG_IGN`
    /// run nothing.
    public static let chain = SignalOptions(rawValue: 1)

    /// Leaves a signal ignored that is ignored now, as SIGHUP is under `nohup(1)`. `signalsLeftIgnored` lists those
    /// signals.
    public static let keepIgnored = SignalOptions(rawValue: 2)

    /// Makes each delivery an event of its own. Without this option, a standard signal that comes again before it was
    /// consumed is coalesced into one event with a count. Realtime signals are never coalesced.
    public static let everyDelivery = SignalOptions(rawValue: 4)
}
