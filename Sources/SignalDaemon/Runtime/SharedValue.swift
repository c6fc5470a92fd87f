import SignalBridge

/// A value that threads share, released outside of the lock.
final class SharedValue<Value: Sendable>: Sendable {
    private let value: Lock<Value?>

    init() { value = Lock(nil) }

    var current: Value? {
        get { value.withLock { $0 } }
        set { value.discard { exchange(&$0, with: newValue) } }
    }
}
