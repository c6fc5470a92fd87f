/// Runs `body` on a new detached thread.
///
/// - Parameter mask: the signal mask of the thread; `nil`: the caller's.
/// - Throws: ``SignalBridgeError`` if `pthread_create(3)` fails.
package func startThread(
    mask: SignalMask? = nil, _ body: @escaping @Sendable () -> Void
) throws(SignalBridgeError) {
    let failure = createDetachedThread {
        mask?.apply()
        body()
    }
    if failure != 0 { throw .systemCall("pthread_create", nil, failure) }
}
