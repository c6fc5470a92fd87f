/// A closure that was sent to a daemon. No other code has it, and the daemon never calls it twice at once, so it may
/// capture values that are not Sendable.
struct Sent<Closure>: @unchecked Sendable {
    let closure: Closure

    init(_ closure: sending Closure) { self.closure = closure }
}

extension Sent {
    /// Turns an optional closure into a Sendable one.
    func sendable<Value: Sendable>() -> (@Sendable (Value) -> Void)? where Closure == ((Value) -> Void)? {
        guard closure != nil else { return nil }
        return { @Sendable value in closure!(value) }
    }
}
