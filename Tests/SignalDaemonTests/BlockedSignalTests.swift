// Signals that every other thread blocks.
#if os(Linux)
    import Foundation
    import SignalBridge
    import SignalDaemon
    import TestSupport
    import Testing

    /// Takes a signal that is pending, or comes within ten seconds.
    private func take(_ signal: SignalNumber) -> Bool {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, signal.rawValue)
        var patience = timespec(tv_sec: 10, tv_nsec: 0)
        return sigtimedwait(&set, nil, &patience) == signal.rawValue
    }

    @Suite("Signals that the program blocks", .enabled(if: !underThreadSanitizer)) struct BlockedSignalTests {
        @Test("A blocked reload signal stays pending until onReload, and causes a reload after that")
        func reloadSignals() async {
            await #expect(processExitsWith: .success) {
                limit()
                await onThread {
                    let result = forked {
                        setMask([.sigusr1])
                        signal(SIGUSR1, SIG_DFL)
                        let received = DispatchSemaphore(value: 0)
                        // No task runs in a forked child, so the start of a reload is all that can be seen.
                        guard let policy = try? SignalPolicy(graceful: [.sigterm], reload: [.sigusr1]) else { return 5 }
                        _ = try? Daemon.runBlocking(
                            policy: policy, onTransition: { if case .reloading = $0 { received.signal() } }
                        ) { daemon in
                            for _ in 0..<100 {  // for so long that the monitor thread has no more deadlines
                                kill(getpid(), SIGUSR1)
                                usleep(20_000)  // in which a thread of the daemon would take it
                                if !take(.sigusr1) { _exit(3) }
                            }
                            try daemon.onReload {}
                            kill(getpid(), SIGUSR1)
                            _exit(received.wait(timeout: .now() + 20) == .success ? 7 : 4)
                        }
                        return 2
                    }
                    #expect(result == 7, "the child: \(result)")
                }
            }
        }

        @Test("A daemon that has returned takes no blocked signal")
        func untouchedAfterReturn() async {
            await #expect(processExitsWith: .success) {
                limit()
                await onThread {
                    let result = forked {
                        setMask([.sigterm, .sigint])
                        for _ in 0..<500 {
                            if (try? Daemon.runBlocking { _ in }) == nil { return 2 }
                            kill(getpid(), SIGTERM)
                            if !take(.sigterm) { return 3 }
                        }
                        return 7
                    }
                    #expect(result == 7, "the child: \(result)")
                }
            }
        }
    }
#endif
