/// A closure that was sent to a daemon: no other code has it, and the daemon calls it once at a time. So it may capture what is
/// not Sendable.
struct Sent<Closure>: @unchecked Sendable {
    let closure: Closure

    init(_ closure: sending Closure) { self.closure = closure }
}

extension Sent {
    /// An optional closure as a Sendable one.
    func sendable<Value: Sendable>() -> (@Sendable (Value) -> Void)? where Closure == ((Value) -> Void)? {
        guard closure != nil else { return nil }
        return { @Sendable value in closure!(value) }
    }
}
