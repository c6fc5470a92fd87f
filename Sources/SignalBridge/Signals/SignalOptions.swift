/// How a subscription treats its signals. Combine them as in an array: `[.chain, .keepIgnored]`.
public struct SignalOptions: Sendable, ExpressibleByArrayLiteral {
    var chain = false
    var keepIgnored = false
    var everyDelivery = false
    var escalations: [SignalNumber: Int] = [:]

    /// All of these together; of two escalations for one signal, the later one.
    public init(arrayLiteral elements: SignalOptions...) {
        for element in elements {
            chain = chain || element.chain
            keepIgnored = keepIgnored || element.keepIgnored
            everyDelivery = everyDelivery || element.everyDelivery
            escalations.merge(element.escalations) { $1 }
        }
    }

    /// Runs the handler that was installed before as well, once for each delivery, as its own `sigaction` flags ask.
    /// `SIG_DFL` and `SIG_IGN` run nothing.
    public static var chain: SignalOptions { with(\.chain, true) }

    /// Leaves a signal alone that is ignored now, as `nohup(1)` asks of SIGHUP. What was left alone is in
    /// `ignoredSignals`.
    public static var keepIgnored: SignalOptions { with(\.keepIgnored, true) }

    /// Each delivery is an event of its own, with its own details. Without it, a standard signal that comes again before
    /// it was consumed is merged into one event with a count. Realtime signals are never merged.
    public static var everyDelivery: SignalOptions { with(\.everyDelivery, true) }

    /// The `unread`-th delivery that this subscription has not consumed takes the signal's default action: the process
    /// dies by it, whatever its threads are doing. `.escalate(.sigterm, unread: 2)`: a first SIGTERM that nobody
    /// answers, then a second one. `unread` is 1 to `Int32.max`. Only for signals of the subscription whose default action ends the process; anything
    /// else is ``SignalBridgeError/Code/cannotEscalate``.
    public static func escalate(_ signal: SignalNumber, unread: Int) -> SignalOptions {
        with(\.escalations, [signal: unread])
    }

    private static func with<Value>(_ path: WritableKeyPath<SignalOptions, Value>, _ value: Value) -> SignalOptions {
        var options: SignalOptions = []
        options[keyPath: path] = value
        return options
    }
}
