// A signal that races with the end of a subscription is received, or meets what was there before; never both, never
// neither.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Races with the end of a subscription") struct EndingRaceTests {
    @Test("A SIGUSR1 that races with finish() is received, or meets the handler from before")
    func finish() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigusr1)
            var received = 0
            var sent = 0
            for round in 0..<flood(2000) {
                let events = try SignalEvents(.sigusr1)
                async let raised: Void = deliver(.sigusr1, times: 20)
                for _ in 0..<(round % 50) * 20 { _ = getppid() }
                events.finish()
                received += await events.rest().deliveries
                await raised
                sent += 20
            }
            #expect(await eventually { received + handledCount == sent })
            let both = received > 0 && handledCount > 0
            #expect(both || underThreadSanitizer, "received \(received), handled \(handledCount)")
        }
    }

    @Test("A SIGTERM that races with the end is received, or meets the handler from before, exactly once")
    func terminate() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            let received = Shared(0)
            let endings: [@Sendable (Int) async throws -> Void] = [
                { delay in
                    let subscription = try SignalObserver(.sigterm) { event in received { $0 += event.count } }
                    async let raised: Void = deliver(.sigterm)
                    spin(delay)
                    subscription.cancel()
                    await raised
                },
                { delay in
                    let waiter = try SignalWaiter(.sigterm)
                    async let raised: Void = deliver(.sigterm)
                    async let taken = onThread { waiter.next()?.count ?? 0 }
                    spin(delay)
                    waiter.cancel()
                    let count = await taken
                    received { $0 += count }
                    await raised
                },
                { delay in
                    async let raised: Void = deliver(.sigterm)
                    let task = Task { try await nextSignal(.sigterm) }
                    spin(delay)
                    task.cancel()
                    if let event = try await task.value { received { $0 += event.count } }
                    await raised
                },
            ]
            for (index, end) in endings.enumerated() {
                for round in 0..<flood(300) {
                    let before = received.now + handledCount
                    try await end(round % 30)
                    let once = await eventually { received.now + handledCount == before + 1 }
                    try #require(once, "ending \(index), round \(round): \(received.now + handledCount - before)")
                }
            }
            try await Task.sleep(for: .milliseconds(50))
            #expect(received.now + handledCount == 3 * flood(300))
            let both = received.now > 0 && handledCount > 0
            #expect(both || underThreadSanitizer, "received \(received.now), handled \(handledCount)")
        }
    }

    @Test(
        "Subscriptions that begin and end on many threads leave every disposition as it was",
        .enabled(if: hasRealtimeSignals))
    func manyThreads() async {
        await #expect(processExitsWith: .success) {
            limit()
            let signals: [SignalNumber] = [.sigusr1, .sigusr2, .sighup, .realtime(0)]
            for signal in signals { install(countingHandler, for: signal, mask: [.sigwinch]) }
            let before = signals.map(action(of:))
            async let noise: Void = deliver(.sigusr1, .sigusr2, .sighup, .realtime(0), times: flood(5000))
            await withTaskGroup(of: Void.self) { group in
                for kind in 0..<4 {
                    group.addTask {
                        await onThread {
                            for _ in 0..<flood(500) {
                                do {
                                    switch kind {
                                    case 0: try SignalEvents(signals).finish()
                                    case 1: try SignalObserver(signals) { _ in }.cancel()
                                    case 2: try SignalWaiter(signals).cancel()
                                    default: _ = try SignalEvents(.sighup, .sigusr1, options: .chain)
                                    }
                                } catch { Issue.record(error) }
                            }
                        }
                    }
                }
            }
            await noise
            #expect(await eventually { signals.map(action(of:)) == before })
        }
    }
}

private func spin(_ delay: Int) {
    for _ in 0..<delay * 100 { _ = getppid() }
}
