/// A descriptor of `signalfd(2)`, from which whoever has it reads its own pending signals.
struct SignalDescriptor: Hashable, Sendable {
    var number: Int32
    var signals: SignalSet
}
