/// A descriptor of `signalfd(2)`. A thread that reads it takes its own pending signals.
struct SignalDescriptor: Hashable, Sendable {
    var number: Int32
    var signals: SignalSet
}
