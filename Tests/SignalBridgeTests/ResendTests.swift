// A program that was asked to end, and never noticed, still ends; a second Ctrl-C does not kill its clean-up.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite struct UnreadSignals {
    @Test("unread SIGTERM kills when SignalEvents ends")
    func events() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            try await neverIterate()
            try await Task.sleep(for: .seconds(20))
        }
    }

    @Test("unread SIGINT kills when withSignalEvents returns")
    func scope() async {
        await #expect(processExitsWith: .signal(SIGINT)) {
            limit()
            try await withSignalEvents(.sigint) { _ in await deliver(.sigint) }
            try await Task.sleep(for: .seconds(20))
        }
    }

    @Test("unread SIGTERM kills when a SignalObserver with a stuck queue ends")
    func subscription() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let queue = DispatchQueue(label: "stuck")
            queue.async { sleep(50) }
            let subscription = try SignalObserver(.sigterm, queue: queue) { _ in }
            await deliver(.sigterm)
            subscription.cancel()
            try await Task.sleep(for: .seconds(20))
        }
    }

    @Test("unread SIGINT kills when a SignalWaiter ends")
    func waiter() async {
        await #expect(processExitsWith: .signal(SIGINT)) {
            limit()
            let waiter = try SignalWaiter(.sigint)
            await deliver(.sigint)
            waiter.cancel()
            try await Task.sleep(for: .seconds(20))
        }
    }

    @Test("it is sent again once, however many were unread")
    func once() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            try await withSignalEvents(.sigterm, options: .everyDelivery) { _ in await deliver(.sigterm, times: 5) }
            #expect(await eventually { handledCount > 0 })
            try await Task.sleep(for: .milliseconds(100))
            #expect(handledCount == 1)
        }
    }

    @Test("nothing is sent again once the subscription has consumed a SIGTERM or SIGINT")
    func consumed() async {
        await #expect(processExitsWith: .success) {
            limit()
            try await withSignalEvents(.sigterm, .sigint) { events in
                await deliver(.sigint)
                for await _ in events { break }
                await deliver(.sigterm, .sigint)
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    @Test("nothing is sent again while another subscriber is left, who has it")
    func another() async {
        await #expect(processExitsWith: .success) {
            limit()
            let stays = try SignalEvents(.sigterm)
            try await withSignalEvents(.sigterm) { _ in await deliver(.sigterm) }
            try await Task.sleep(for: .milliseconds(200))
            #expect(await stays.collect(deliveries: 1).deliveries == 1)
            stays.finish()
            #expect(await stays.rest().isEmpty)
        }
    }

    @Test("nor is it when a waiter ends, and a subscriber of another kind is left", arguments: 0..<2)
    func anotherKind(which: Int) async {
        await #expect(processExitsWith: .success) { [which] in
            limit()
            let first = try SignalWaiter(.sigterm)
            let second = try SignalEvents(.sigterm)
            let third = try SignalWaiter(.sigterm)
            await deliver(.sigterm)
            if which == 0 { first.cancel() } else { third.cancel() }
            try await Task.sleep(for: .milliseconds(200))
            second.finish()
            let all = await second.rest().deliveries
            #expect(all == 1, "the others have got \(all)")
            withExtendedLifetime((first, third)) { _ = kill(getpid(), 0) }
            _exit(0)
        }
    }

    @Test("unread SIGHUP, SIGUSR1 and SIGQUIT are dropped")
    func dropped() async {
        await #expect(processExitsWith: .success) {
            limit()
            try await withSignalEvents(.sighup, .sigusr1, .sigquit) { _ in await deliver(.sighup, .sigusr1, .sigquit) }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    @Test("what a chained handler has had already is not sent again")
    func chained() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            try await withSignalEvents(.sigterm, options: .chain) { _ in await deliver(.sigterm) }
            try await Task.sleep(for: .milliseconds(200))
            #expect(handledCount == 1)
        }
    }

    @Test("finish() keeps what was captured for those who still iterate")
    func finishDelivers() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sigterm)
            await deliver(.sigterm, times: 2)
            events.finish()
            #expect(await events.rest().map(\.count) == [2])
            try await Task.sleep(for: .milliseconds(200))
        }
    }
}

@inline(never) private func neverIterate() async throws {
    let events = try SignalEvents(.sigterm, .sighup)
    await deliver(.sigterm)
    events.finish()
}
