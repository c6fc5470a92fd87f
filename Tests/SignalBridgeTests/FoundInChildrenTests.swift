// What was found once about a forked child and its parent's subscriptions, and must not come back.
import Foundation
import SignalBridge
import TestSupport
import Testing

#if os(Linux)
    @Suite struct FoundInChildren {
        @Test("a forked child that ends its copy of a subscription is not sent the parent's SIGTERM")
        func childEndsCopy() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sigterm, .sighup)
                await onThread {
                    raise(SIGTERM)  // to this thread: recorded when it returns
                    raise(SIGHUP)
                    _ = waiter.next(timeout: .zero)  // brings both into the mailbox
                    #expect(
                        forked {
                            waiter.cancel()
                            return 7
                        } == 7)
                }
                _exit(0)  // the parent's own SIGTERM was read or not; that is not the question
            }
        }

        @Test("resumeAfterFork begins at zero: escalation, and what was consumed")
        func childBegins() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sighup, .sigterm, escalateAfterUnread: 2)
                await onThread {
                    raise(SIGHUP)  // to this thread: recorded when it returns
                    raise(SIGTERM)
                    _ = waiter.next(timeout: .zero)  // SIGTERM is in the mailbox, one of two
                    let result = forked {
                        guard (try? waiter.resumeAfterFork()) != nil else { return 1 }
                        kill(getpid(), SIGTERM)  // the first one here
                        return waiter.next(timeout: .seconds(30))?.signal == .sigterm ? 7 : 2
                    }
                    #expect(result == 7)
                    let unread = forked {
                        guard (try? waiter.resumeAfterFork()) != nil else { return 1 }
                        kill(getpid(), SIGTERM)
                        waiter.cancel()  // nobody in this process has ever read one
                        return 2
                    }
                    #expect(unread == -SIGTERM)
                }
                _exit(0)
            }
        }

        @Test("resumeAfterFork does nothing in the process that made the waiter")
        func inParent() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sighup, .sigusr1)
                await onThread {
                    raise(SIGHUP)  // to this thread: recorded when it returns
                    raise(SIGUSR1)
                    #expect(waiter.next()?.signal == .sighup)
                    #expect((try? waiter.resumeAfterFork()) == false)
                    #expect(waiter.next(timeout: .zero)?.signal == .sigusr1)
                }
            }
        }

        @Test("resumeAfterFork that was refused may be called again")
        func childTriesAgain() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sigwinch)
                await onThread {
                    let result = forked {
                        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
                        var before = rlimit()
                        getrlimit(resource, &before)
                        var none = rlimit(rlim_cur: 0, rlim_max: before.rlim_max)
                        setrlimit(resource, &none)
                        guard refusal({ try waiter.resumeAfterFork() })?.errnoCode == EMFILE else { return 1 }
                        setrlimit(resource, &before)
                        guard (try? waiter.resumeAfterFork()) != nil else { return 2 }
                        kill(getpid(), SIGWINCH)
                        return waiter.next(timeout: .seconds(30))?.signal == .sigwinch ? 7 : 3
                    }
                    #expect(result == 7)
                }
            }
        }

        @Test("in a forked child other subscriptions say that they do not work")
        func others() async {
            await #expect(processExitsWith: .success) {
                limit()
                let events = try SignalEvents(.sighup)
                await onThread {
                    let result = forked {
                        do throws(SignalBridgeError) {
                            _ = try SignalEvents(.sigusr1)
                            return 1
                        } catch {
                            return error.description.contains("resumeAfterFork") ? 7 : 2
                        }
                    }
                    #expect(result == 7)
                }
                events.finish()
            }
        }

        // Under the thread sanitizer, Swift's runtime takes locks of its own at every turn.
        @Test(
            "they say so too if a thread of the parent's was at a subscription when it forked",
            .enabled(if: !underThreadSanitizer))
        func othersWhileSubscribing() async {
            await #expect(processExitsWith: .success) {
                limit()
                // Without it, when something is made at its first use: so that is before the fork.
                try SignalEvents(.sigusr1).finish()
                #expect(try !SignalDiagnostics(for: .sigusr2).isArmed)
                #expect(refusal { _ = try SignalEvents(.sigkill) } != nil)
                let (stop, rounds) = (Shared(false), Shared(0))
                startThread {
                    while !stop.now {
                        (try? SignalEvents(.sigusr1))?.finish()
                        rounds { $0 += 1 }
                    }
                }
                #expect(await eventually { rounds.now > 100 })
                await onThread {
                    for _ in 0..<100 {
                        let result = forked {
                            // Both take no lock of that thread's, and here a lock could be held for ever.
                            guard refusal({ _ = try SignalEvents(.sigusr2) })?.errnoCode == EPERM else { return 1 }
                            return (try? SignalDiagnostics(for: .sigusr2))?.isArmed == false ? 7 : 2
                        }
                        #expect(result == 7)
                        if result != 7 { break }
                    }
                }
                stop { $0 = true }
            }
        }

        @Test(
            "a waiter that a child resumed works there, whatever threads of the parent's consumed when it forked",
            .enabled(if: !underThreadSanitizer))
        func consumingWhileForking() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sigterm)
                await onThread {  // as above: for the first time before the fork
                    raise(SIGTERM)
                    #expect((try? waiter.resumeAfterFork()) == false && waiter.next()?.signal == .sigterm)
                }
                let (stop, rounds) = (Shared(false), Shared(0))
                let busy = try (0..<3).map { _ in try SignalWaiter(.sigint, options: .everyDelivery) }
                for waiter in busy {
                    startThread {
                        while !stop.now {
                            for _ in 0..<100 { raise(SIGINT) }
                            while waiter.next(timeout: .zero) != nil {}
                            rounds { $0 += 1 }
                        }
                    }
                }
                #expect(await eventually { rounds.now > 100 })
                await onThread {
                    let end = Date(timeIntervalSinceNow: 3)
                    while Date() < end {
                        let result = forked {
                            for waiter in busy {  // not its own, so this does nothing, and waits for nobody
                                waiter.wake()
                                waiter.cancel()
                            }
                            guard (try? waiter.resumeAfterFork()) != nil else { return 1 }
                            kill(getpid(), SIGTERM)
                            return waiter.next(timeout: .seconds(30))?.signal == .sigterm ? 7 : 2
                        }
                        #expect(result == 7)
                        if result != 7 { break }
                    }
                }
                stop { $0 = true }
            }
        }
    }
#endif
