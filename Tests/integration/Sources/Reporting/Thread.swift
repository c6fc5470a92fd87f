#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

private final class Body: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
        self.run = run
    }

    static func takeAndRun(_ pointer: UnsafeMutableRawPointer) {
        Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run()
    }
}

/// A thread of the user's own: neither Dispatch nor Swift concurrency knows of it.
public func startThread(_ run: @escaping @Sendable () -> Void) {
    let body = Unmanaged.passRetained(Body(run)).toOpaque()
    #if canImport(Darwin)
        var thread: pthread_t?
        let enter: @convention(c) (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? = { argument in
            Body.takeAndRun(argument)
            return nil
        }
    #else
        var thread = pthread_t()
        let enter: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
            Body.takeAndRun(argument!)
            return nil
        }
    #endif
    pthread_create(&thread, nil, enter, body)
}

/// The calling thread sleeps for ever.
public func sleepForEver() -> Never {
    while true { pause() }
}
