// Delivery to a handler on a dispatch queue.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("SignalObserver") struct ObserverTests {
    @Test("On a concurrent queue calls stay in order, one at a time", .enabled(if: hasRealtimeSignals))
    func serial() async {
        await #expect(processExitsWith: .success) {
            limit()
            let total = flood(3000)
            let signal = SignalNumber.realtime(0)
            let state = Shared((running: 0, overlaps: 0, values: [Int]()))
            let queue = DispatchQueue(label: "concurrent", attributes: .concurrent)
            let subscription = try SignalObserver(signal, queue: queue) { event in
                state {
                    $0.running += 1
                    if $0.running > 1 { $0.overlaps += 1 }
                    $0.values.append(event.value ?? -1)
                }
                if (event.value ?? 0) % 64 == 0 { usleep(100) }
                state { $0.running -= 1 }
            }
            await deliver(signal, values: 0..<total)
            #expect(await eventually { state.now.values.count == total })
            #expect(state.now.overlaps == 0)
            #expect(state.now.values == Array(0..<total))
            subscription.cancel()
        }
    }

    @Test("After cancel() has returned no call starts and none is running")
    func cancelRace() async {
        await #expect(processExitsWith: .success) {
            limit()
            let stays = try SignalEvents(.sigusr1)  // so that the default action never kills
            let stop = Shared(false)
            async let noise: Void = deliver(.sigusr1, until: stop)
            let violations = Shared(0)
            let calls = Shared(0)
            let enough = Date(timeIntervalSinceNow: 8)  // each round reads what the flood has left, under the lock
            var round = 0
            while round < 100 || calls.now == 0 || (round < flood(5000) && Date() < enough) {
                round += 1
                let state = Shared((cancelled: false, running: false))
                let subscription = try SignalObserver(.sigusr1, options: .everyDelivery) { _ in
                    if state({
                        $0.running = true; return $0.cancelled
                    }) {
                        violations { $0 += 1 }
                    }
                    calls { $0 += 1 }
                    if state({
                        $0.running = false; return $0.cancelled
                    }) {
                        violations { $0 += 1 }
                    }
                }
                for _ in 0..<(round % 40) * 20 { _ = getppid() }
                if round % 20 == 0 { usleep(5000) }  // where the flood leaves the queue no core
                subscription.cancel()
                state { $0.cancelled = true }
            }
            stop { $0 = true }
            await noise
            #expect(violations.now == 0, "\(violations.now)")
            #expect(calls.now > 0, "the handler was never called")
            stays.finish()
        }
    }

    @Test("cancel() waits for a call that is running on another thread")
    func cancelWaits() async {
        await #expect(processExitsWith: .success) {
            limit()
            let state = Shared((started: false, ended: false))
            let subscription = try SignalObserver(.sighup) { _ in
                state { $0.started = true }
                usleep(300_000)
                state { $0.ended = true }
            }
            await deliver(.sighup)
            #expect(await eventually { state.now.started })
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<2 {
                    group.addTask {
                        await onThread {
                            subscription.cancel()
                            #expect(state.now.ended, "both calls of cancel() wait")
                        }
                    }
                }
            }
        }
    }

    @Test("A handler may cancel its own subscription, and that call is the last one")
    func cancelInside() async {
        await #expect(processExitsWith: .success) {
            limit()
            let other = try SignalEvents(.sighup)
            let box = Shared<SignalObserver?>(nil)
            let calls = Shared(0)
            let subscription = try SignalObserver(.sighup, options: .everyDelivery) { _ in
                while box.now == nil { usleep(1000) }
                calls { $0 += 1 }
                box.now?.cancel()
                box.now?.cancel()
            }
            await deliver(.sighup, times: 10)
            box { $0 = subscription }
            #expect(await eventually { calls.now > 0 })
            try await Task.sleep(for: .milliseconds(100))
            #expect(calls.now == 1, "\(calls.now) calls")
            other.finish()
            #expect(disposition(of: .sighup) == .default)
        }
    }

    @Test("The last reference may be dropped inside the handler")
    func dropInside() async {
        await #expect(processExitsWith: .success) {
            limit()
            let other = try SignalEvents(.sighup)
            for _ in 0..<flood(200) {
                let box = Shared<SignalObserver?>(nil)
                let calls = Shared(0)
                box {
                    $0 = try? SignalObserver(.sighup) { _ in
                        while box({ $0 == nil }) { usleep(100) }
                        var last = box { box in
                            defer { box = nil }
                            return box
                        }
                        calls { $0 += 1 }
                        last = nil
                        _ = last
                    }
                }
                await deliver(.sighup)
                try #require(await eventually { calls.now == 1 })
            }
            other.finish()
            #expect(await eventually { disposition(of: .sighup) == .default })
        }
    }

    @Test("Subscriptions may be dropped at any moment of a flood, also while its events are delivered")
    func dropInFlood() async {
        await #expect(processExitsWith: .success) {
            limit()
            let stays = try SignalEvents(.sigusr1)
            let stop = Shared(false)
            // Where signals come faster than an unoptimized reader takes them, each subscription takes out a full ring.
            let end = ContinuousClock.now + .seconds(10)
            async let noise: Void = deliver(.sigusr1, until: stop)
            await withTaskGroup(of: Void.self) { group in
                for kind in 0..<3 {
                    group.addTask {
                        let rounds = underAddressSanitizer ? flood(1500) / 10 : flood(1500)
                        for round in 0..<rounds where round < 10 || .now < end {
                            switch kind {
                            case 0: _ = try? SignalObserver(.sigusr1) { _ in }
                            case 1: _ = try? SignalEvents(.sigusr1)
                            default:
                                let events = try? SignalEvents(.sigusr1)
                                let task = Task {
                                    if let events { for await _ in events { return } }
                                }
                                await task.value
                            }
                        }
                    }
                }
            }
            stop { $0 = true }
            await noise
            stays.finish()
            #expect(await eventually { disposition(of: .sigusr1) == .default })
        }
    }

    @Test("A stuck queue holds up its own signals, not those of others, and loses nothing")
    func stuckQueue() async {
        await #expect(processExitsWith: .success) {
            limit()
            let resumes = DispatchSemaphore(value: 0)
            let queue = DispatchQueue(label: "stuck")
            queue.async { resumes.wait() }
            let late = Shared(0)
            let prompt = Shared(0)
            let first = try SignalObserver(.sigusr1, queue: queue) { event in late { $0 += event.count } }
            let second = try SignalObserver(.sigusr1) { event in prompt { $0 += event.count } }
            await deliver(.sigusr1, times: flood(30_000))
            #expect(await eventually { prompt.now == flood(30_000) })
            #expect(late.now == 0)
            resumes.signal()
            #expect(await eventually { late.now == flood(30_000) })
            first.cancel()
            second.cancel()
        }
    }

    @Test("A handler runs on its queue, also on the main one")
    func mainQueue() async {
        await #expect(processExitsWith: .success) {
            limit()
            let seen = Shared<[SignalNumber]>([])
            let subscription = try SignalObserver(.sighup, .sigwinch, queue: .main) { event in
                dispatchPrecondition(condition: .onQueue(.main))
                seen { $0.append(event.signal) }
            }
            await deliver(.sigwinch, .sighup)
            #expect(await eventually { seen.now == [.sigwinch, .sighup] })
            subscription.cancel()
        }
    }

    @Test("What a handler captured is released when the subscription ends")
    func releases() async {
        await #expect(processExitsWith: .success) {
            limit()
            final class Token: Sendable {}
            weak var weakToken: Token?
            let subscription: SignalObserver
            do {
                let token = Token()
                weakToken = token
                subscription = try SignalObserver(.sighup) { _ in withExtendedLifetime(token) {} }
            }
            #expect(weakToken != nil)
            subscription.cancel()
            #expect(await eventually { weakToken == nil })
        }
    }
}
