#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Runs `body` on a new thread, detached. Without a mask, it has the caller's.
package func startThread(
    mask: SignalMask? = nil, _ body: @escaping @Sendable () -> Void
) throws(SignalBridgeError) {
    final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let context = Unmanaged.passRetained(
        Body {
            mask?.apply()
            body()
        })
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

/// What a thread blocks.
package struct SignalMask: @unchecked Sendable {
    private var set = sigset_t()

    /// What the calling thread blocks.
    package static var current: SignalMask {
        var mask = SignalMask()
        pthread_sigmask(SIG_SETMASK, nil, &mask.set)
        return mask
    }

    /// Everything but these, and but faults: a fault that is blocked kills without the crash reporter.
    package static func all(but signals: Set<SignalNumber> = []) -> SignalMask {
        var mask = SignalMask()
        sigfillset(&mask.set)
        let faults: [SignalNumber] = [.sigill, .sigtrap, .sigabrt, .sigbus, .sigfpe, .sigsegv, .sigsys]
        for signal in signals.union(faults) { sigdelset(&mask.set, signal.rawValue) }
        return mask
    }

    /// For the calling thread, from here on.
    package func apply() {
        var set = set
        pthread_sigmask(SIG_SETMASK, &set, nil)
    }
}

/// `_exit(2)`: at once, with nothing run and nothing flushed.
package func exitAtOnce(_ code: Int32) -> Never { _exit(code) }

/// Writes what C's streams hold. May block, where another thread is inside one.
package func flushStreams() { fflush(nil) }
