// The option .chain: the handler that was installed before the subscription runs as well.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Chaining to the handler from before") struct ChainingTests {
    @Test("A handler from before runs once for each delivery, however many subscriptions chain to it")
    func chainOnce() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigusr1)
            let plain = try SignalEvents(.sigusr1)
            await deliver(.sigusr1, times: 10)
            #expect(handledCount == 0, "nobody asked")
            let first = try SignalEvents(.sigusr1, options: .chain)
            await deliver(.sigusr1, times: 10)
            #expect(handledCount == 10, "\(handledCount) of 10")
            let second = try SignalObserver(.sigusr1, options: [.chain, .everyDelivery]) { _ in }
            let third = try SignalWaiter(.sigusr1, options: .chain)
            await deliver(.sigusr1, times: 10)
            #expect(handledCount == 20, "\(handledCount) of 20")
            first.finish()
            third.cancel()
            await deliver(.sigusr1, times: 10)
            #expect(handledCount == 30, "one who asks is left: \(handledCount) of 30")
            second.cancel()
            await deliver(.sigusr1, times: 10)
            #expect(handledCount == 30, "nobody who asks is left: \(handledCount) of 30")
            plain.finish()
            #expect(await plain.rest().deliveries == 50, "capture is independent of chaining")
        }
    }

    @Test("Chaining to the default action, or to an ignored signal, runs nothing", arguments: [0, 1])
    func chainOntoNothing(ignored: Int) async {
        await #expect(processExitsWith: .success) { [ignored] in
            limit()
            if ignored == 1 { try SignalNumber.sighup.setDisposition(.ignore) }
            let events = try SignalEvents(.sighup, options: .chain)
            await deliver(.sighup)
            #expect(await events.collect(deliveries: 1).count == 1)
        }
    }

    @Test("With .chain the handler from before runs for every signal, also for one that races with the end")
    func endingRace() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            for round in 0..<flood(500) {
                let subscription = try SignalObserver(.sigterm, options: .chain) { _ in }
                async let raised: Void = deliver(.sigterm, times: 5)
                spin(round % 50)
                subscription.cancel()
                await raised
            }
            try await Task.sleep(for: .milliseconds(100))
            #expect(handledCount == 5 * flood(500), "none is lost, none is sent again")
        }
    }
}

private func spin(_ delay: Int) {
    for _ in 0..<delay * 100 { _ = getppid() }
}
