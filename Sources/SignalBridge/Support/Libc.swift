// The C library, by whatever name it goes here; and what no two of them spell alike.
#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The first and the last realtime signal, if the system has any. The C library takes some of the kernel's for itself,
/// so they are known when the program runs.
let realtimeSignals: ClosedRange<Int32>? = {
    #if canImport(Glibc) || canImport(Musl)
        return __libc_current_sigrtmin()...__libc_current_sigrtmax()
    #else
        return nil
    #endif
}()

/// `kill(2)` or `sigqueue(3)`; the errno, or 0.
func sendSignal(_ number: Int32, to process: pid_t, value: Int?) -> Int32 {
    guard let value else { return kill(process, number) == 0 ? 0 : errno }
    #if canImport(Glibc) || canImport(Musl)
        var payload = sigval()
        payload.sival_ptr = UnsafeMutableRawPointer(bitPattern: value)
        return sigqueue(process, number, payload) == 0 ? 0 : errno
    #else
        return ENOTSUP
    #endif
}

func currentProcessID() -> pid_t { getpid() }

func currentProcessGroup() -> pid_t { getpgrp() }

/// What `strerror(3)` says, in memory of our own.
func errnoDescription(_ number: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        strerror_r(number, buffer.baseAddress!, buffer.count) == 0
            ? String(cString: buffer.baseAddress!) : "errno \(number)"
    }
}
