// The parent's subscriptions in a forked child, where they do nothing.
import Foundation
import SignalBridge
import TestSupport
import Testing

#if os(Linux)
    @Suite("Forked children") struct ForkedChildTests {
        @Test("A forked child that ends its copy of a subscription is not sent the parent's SIGTERM")
        func childEndsCopy() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sigterm, .sighup)
                await onThread {
                    raise(SIGTERM)  // to this thread: recorded when it returns
                    raise(SIGHUP)
                    _ = waiter.next(timeout: .zero)  // reads both into the buffer
                    #expect(
                        forked {
                            waiter.cancel()
                            return 7
                        } == 7)
                }
                _exit(0)  // whether the parent has read its own SIGTERM is not tested here
            }
        }

        @Test("In a forked child the parent's waiter does nothing, and signals meet the dispositions from before")
        func parentsWaiter() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sighup, .sigterm, escalateAfterUnread: 2)
                await onThread {
                    raise(SIGHUP)  // to this thread: recorded when it returns
                    raise(SIGTERM)
                    #expect(waiter.next(timeout: .zero)?.signal == .sighup)  // SIGTERM is in the buffer
                    let result = forked {
                        if waiter.next(timeout: .zero) != nil { return 1 }
                        waiter.wake()
                        if waiter.next(timeout: .seconds(600)) != nil { return 2 }
                        guard refusal({ try waiter.insert(.sigusr1) })?.errnoCode == EPERM else { return 3 }
                        waiter.cancel()
                        return 7
                    }
                    #expect(result == 7)
                    let killed = forked {
                        waiter.cancel()
                        kill(getpid(), SIGTERM)
                        return 1
                    }
                    #expect(killed == -SIGTERM)
                    #expect(waiter.next(timeout: .zero)?.signal == .sigterm, "the parent's own is still there")
                }
            }
        }

        @Test("A subscription that a forked child makes is refused")
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
                            return error.description.contains("fork()") ? 7 : 2
                        }
                    }
                    #expect(result == 7)
                }
                events.finish()
            }
        }

        // Under the thread sanitizer, Swift's runtime often takes locks of its own.
        @Test(
            "A forked child is refused, although a thread of the parent was subscribing at the fork",
            .enabled(if: !underThreadSanitizer))
        func othersWhileSubscribing() async {
            await #expect(processExitsWith: .success) {
                limit()
                // What the library makes at its first use is made here, before the fork.
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
                            // Neither call takes a lock of that thread, which could be held for ever in this child.
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
            "Waking a waiter in a forked child waits for no lock of the parent's threads",
            .enabled(if: !underThreadSanitizer))
        func wakingWhileForking() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sighup)
                let (stop, rounds) = (Shared(false), Shared(0))
                startThread {
                    while !stop.now {
                        for _ in 0..<100 { _ = waiter.next(timeout: .zero) }
                        rounds { $0 += 1 }
                    }
                }
                #expect(await eventually { rounds.now > 100 })
                await onThread {
                    for _ in 0..<500 {
                        let result = forked {
                            waiter.wake()
                            return 7
                        }
                        #expect(result == 7)
                        if result != 7 { break }
                    }
                }
                stop { $0 = true }
            }
        }

        @Test(
            "Ending a subscription in a forked child waits for no lock of the parent's threads",
            .enabled(if: !underThreadSanitizer))
        func consumingWhileForking() async {
            await #expect(processExitsWith: .success) {
                limit()
                let (stop, rounds) = (Shared(false), Shared(0))
                let busy = try (0..<3).map { _ in try SignalWaiter(.sigint, options: .everyDelivery) }
                let others = try SignalEvents(.sigint)
                let observer = try SignalObserver(.sigint) { _ in }
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
                            for waiter in busy {
                                waiter.wake()
                                waiter.cancel()
                            }
                            others.finish()
                            observer.cancel()
                            kill(getpid(), SIGINT)
                            return 1
                        }
                        #expect(result == -SIGINT)
                        if result != -SIGINT { break }
                    }
                }
                stop { $0 = true }
                withExtendedLifetime((others, observer)) { _exit(0) }
            }
        }
    }
#endif
