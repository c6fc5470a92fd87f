// Every delivery counts, and realtime signals keep their order.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("No loss") struct NoLossTests {
    @Test("The counts add up although the consumer sleeps now and then")
    func sleepyConsumer() async {
        await #expect(processExitsWith: .success) {
            limit()
            let total = flood(50_000)
            let events = try SignalEvents(.sigusr1)
            async let sent: Void = deliver(.sigusr1, times: total)
            var received = 0
            var seen = 0
            for await event in events {
                #expect(event.signal == .sigusr1)
                received += event.count
                seen += 1
                if seen % 50 == 0 { try await Task.sleep(for: .milliseconds(2)) }
                if received >= total { break }
            }
            await sent
            events.finish()
            #expect(await events.rest().isEmpty, "nothing was counted twice")
            #expect(received == total)
        }
    }

    @Test("Of 50,000 kills, each subscriber gets as many as the kernel delivered")
    func kills() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigusr1)  // chained to, it counts what the kernel delivered
            let first = try SignalEvents(.sigusr1, options: .chain)
            let second = try SignalEvents(.sigusr1, .sigusr2, options: .everyDelivery)
            let third = Shared(0)
            let callback = try SignalObserver(.sigusr1) { event in third { $0 += event.count } }
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<2 {
                    group.addTask {
                        await onThread { for _ in 0..<flood(25_000) { kill(getpid(), SIGUSR1) } }
                    }
                }
            }
            await deliver(.sigusr2)  // by a thread that takes what is pending first
            try await Task.sleep(for: .milliseconds(100))
            #expect(await eventually { third.now == handledCount }, "the third has \(third.now) of \(handledCount)")
            first.finish()
            callback.cancel()
            let all = await second.collect(deliveries: handledCount + 1)
            #expect(handledCount > 0)
            let ofFirst = await first.rest().deliveries
            #expect(ofFirst == handledCount, "the first has \(ofFirst) of \(handledCount)")
            let ofSecond = all.filter { $0.signal == .sigusr1 }.deliveries
            #expect(ofSecond == handledCount, "the second has \(ofSecond) of \(handledCount)")
        }
    }

    @Test("Subscribers that come and go take nothing from the one that stays")
    func churn() async {
        await #expect(processExitsWith: .success) {
            limit()
            let total = flood(20_000)
            let stays = try SignalEvents(.sigusr1, .sigusr2)
            let done = Shared(false)
            async let sent: Void = deliver(.sigusr1, times: total)
            async let churned = onThread { () -> Int in
                var rounds = 0
                do {
                    while !done.now || rounds < 50 {
                        let events = try SignalEvents(.sigusr1, options: .everyDelivery)
                        let callback = try SignalObserver(.sigusr2, .sigusr1) { _ in }
                        let waiter = try SignalWaiter(.sigusr1)
                        _ = waiter.next(timeout: .zero)
                        events.finish()
                        if rounds % 2 == 0 { callback.cancel() }
                        waiter.cancel()
                        rounds += 1
                    }
                } catch { Issue.record(error) }
                return rounds
            }
            let received = await stays.collect(deliveries: total).deliveries
            await sent
            done { $0 = true }
            #expect(await churned >= 50)
            stays.finish()
            let more = await stays.rest().deliveries
            #expect(received + more == total, "received \(received) and \(more) of \(total)")
        }
    }

    @Test("Each of two waiters gets all signals, although no thread calls them for a while")
    func waiters() async {
        await #expect(processExitsWith: .success) {
            limit()
            let total = flood(40_000)
            let first = try SignalWaiter(.sigusr1)
            let second = try SignalWaiter(.sigusr1)
            await deliver(.sigusr1, times: total)
            let counts = await onThread { () -> [Int] in
                [first, second].map { waiter in
                    var sum = 0
                    while let event = waiter.next(timeout: .milliseconds(100)) { sum += event.count }
                    return sum
                }
            }
            #expect(counts == [total, total])
        }
    }

    // The thread sanitizer coalesces signals that come while another waits to be handled, realtime ones too.
    @Test(
        "The values of a realtime signal arrive once each, and in order for each sender",
        .enabled(if: hasRealtimeSignals),
        .enabled(if: !underThreadSanitizer))
    func realtimeOrder() async {
        await #expect(processExitsWith: .success) {
            limit()
            let count = flood(5000)
            let signal = SignalNumber.realtime(1)
            let events = try SignalEvents(signal)
            await withTaskGroup(of: Void.self) { group in
                for sender in 0..<3 {
                    group.addTask {  // the pool's threads block signals: one thread, the main one, takes them
                        for index in 0..<count {
                            while (try? signal.send(to: getpid(), value: sender << 32 | index)) == nil { usleep(100) }
                        }
                    }
                }
            }
            let all = await events.collect(deliveries: 3 * count)
            #expect(all.allSatisfy { $0.count == 1 && $0.cause == .queue && $0.sender == .current })
            for sender in 0..<3 {
                let values = all.compactMap(\.value).filter { $0 >> 32 == sender }.map { $0 & 0xffff_ffff }
                #expect(values == Array(0..<count))
            }
        }
    }
}
