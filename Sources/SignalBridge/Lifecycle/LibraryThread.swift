#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Runs `body` on a new thread, detached, with the signal mask of the caller's.
func startThread(_ body: @escaping @Sendable () -> Void) throws(SignalBridgeError) {
    final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let context = Unmanaged.passRetained(Body(body))
    #if canImport(Darwin)
        var thread: pthread_t?
        let failure = pthread_create(
            &thread, &attributes,
            { context in
                Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
    #else
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, &attributes,
            { context in
                Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
    #endif
    guard failure == 0 else {
        context.release()
        throw .systemCall("pthread_create", nil, failure)
    }
}

/// In the calling thread: these signals can be delivered to it, and no others.
func unblockOnly(_ signals: some Collection<SignalNumber>) {
    var mask = sigset_t()
    sigfillset(&mask)
    for signal in signals { sigdelset(&mask, signal.rawValue) }
    pthread_sigmask(SIG_SETMASK, &mask, nil)
}

/// `_exit(2)`: at once, with nothing run and nothing flushed.
func exitAtOnce(_ code: Int32) -> Never { _exit(code) }

/// Writes what C's streams hold. May block, where another thread is inside one.
func flushStreams() { fflush(nil) }
