// Which of several subscriptions raises an unread SIGTERM or SIGINT again. A second Ctrl-C does not kill a clean-up.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Unread signals of several subscriptions") struct ResendHandoverTests {
    @Test("An unread SIGTERM is not raised again while another subscriber has it")
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

    @Test(
        "An unread SIGTERM of a waiter is not raised again while a subscriber of another kind has it", arguments: 0..<2)
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

    @Test("A SIGTERM that another subscriber has consumed is not raised again, and does not kill its clean-up")
    func consumedElsewhere() async {
        await #expect(processExitsWith: .success) {
            limit()
            let reads = try SignalEvents(.sigterm)
            let ignores = try SignalWaiter(.sigterm)
            await deliver(.sigterm)
            #expect(await reads.collect(deliveries: 1).deliveries == 1)
            reads.finish()
            ignores.cancel()  // the last subscription, which read nothing
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    @Test(
        "A SIGTERM that an early subscription leaves unread goes to a later one that does not have it",
        arguments: kinds, kinds)
    func laterSubscription(early: String, later: String) async {
        await #expect(processExitsWith: .success) { [early, later] in
            limit()
            let first = try Kept(early)
            await deliver(.sigterm)
            let second = try Kept(later)
            first.end()
            #expect(await second.receives(1))
            #expect(disposition(of: .sigterm) == .handler)
            _exit(0)  // what the second one left unread is not tested here
        }
    }

    @Test(
        "A chained SIGTERM goes to a later subscription, unless a handler from before has had it",
        arguments: [false, true])
    func laterSubscriptionChained(isHandled: Bool) async {
        await #expect(processExitsWith: .success) { [isHandled] in
            limit()
            if isHandled { install(countingHandler, for: .sigterm) }
            let early = try SignalWaiter(.sigterm, options: .chain)
            await deliver(.sigterm)
            let later = try Kept("events")
            early.cancel()
            #expect(await later.receives(isHandled ? 0 : 1))
            #expect(handledCount == (isHandled ? 1 : 0))
            _exit(0)
        }
    }

    @Test(
        "A SIGTERM that neither of two subscriptions has read ends the process when the later one ends",
        arguments: kinds, kinds)
    func bothEnd(early: String, later: String) async {
        await #expect(processExitsWith: .signal(SIGTERM)) { [early, later] in
            limit()
            let first = try Kept(early)
            await deliver(.sigterm)
            let second = try Kept(later)
            first.end()
            try await Task.sleep(for: .milliseconds(50))
            second.end()
            try await Task.sleep(for: .seconds(20))
        }
    }

    @Test("A SIGINT that was consumed in a coalesced event is not raised again when a later subscription ends")
    func coalescedConsumption() async {
        await #expect(processExitsWith: .success) {
            limit()
            let early = try SignalWaiter(.sigint)
            await deliver(.sigint)
            let later = try SignalWaiter(.sigint)
            await deliver(.sigint)
            #expect(await onThread { early.next()?.count } == 2)
            early.cancel()
            later.cancel()
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    @Test("A SIGINT that was consumed is not raised again because an older one is read afterwards")
    func olderConsumedLast() async {
        await #expect(processExitsWith: .success) {
            limit()
            let early = try SignalEvents(.sigint)
            await deliver(.sigint)
            early.finish()
            let reads = try SignalWaiter(.sigint)
            let unread = try SignalWaiter(.sigint)
            await deliver(.sigint)
            #expect(await onThread { reads.next()?.count } == 1)
            #expect(await early.rest().deliveries == 1)
            reads.cancel()
            unread.cancel()
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    @Test("A subscription that finish() ended still holds what it captured, and nothing that came later")
    func finishedHolds() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            func finished(thenRead: Bool) async throws {
                let finished = try SignalEvents(.sigterm)
                let other = try SignalWaiter(.sigterm)
                await deliver(.sigterm)
                finished.finish()
                other.cancel()
                try await Task.sleep(for: .milliseconds(50))
                #expect(handledCount == 0, "the first one can still be read")
                if thenRead { #expect(await finished.rest().deliveries == 1) }
            }
            try await finished(thenRead: true)
            try await Task.sleep(for: .milliseconds(100))
            #expect(handledCount == 0)
            try await finished(thenRead: false)
            #expect(await eventually { handledCount == 1 })

            let ended = try SignalEvents(.sigterm)
            await deliver(.sigterm)
            ended.finish()
            try await withSignalEvents(.sigterm) { _ in await deliver(.sigterm) }
            #expect(await eventually { handledCount == 2 }, "this one came too late for the other")
            _exit(0)
        }
    }

    @Test("After a SIGTERM was raised again, a subscription that had ended before does not raise an older one")
    func raisedOnce() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            let finished = Shared<SignalEvents?>(try SignalEvents(.sigterm))
            let other = try SignalWaiter(.sigterm)
            await deliver(.sigterm)
            finished.now?.finish()
            await deliver(.sigterm)
            other.cancel()
            #expect(await eventually { handledCount == 1 })
            finished { $0 = nil }
            try await Task.sleep(for: .milliseconds(200))
            #expect(handledCount == 1)
        }
    }

    @Test("An unread SIGTERM is raised exactly once, whatever subscriptions begin and end when it comes")
    func handover() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            let rounds = flood(600)
            for round in 0..<rounds {
                let early = try Kept(kinds[round % 3])
                async let raised: Void = deliver(.sigterm)
                for _ in 0..<(round % 40) * 50 { _ = getppid() }
                let later = try Kept(kinds[round / 3 % 3])
                async let first: Void = onThread { early.end() }
                if round % 2 == 0 { await first }
                await onThread { later.end() }
                await first
                await raised
                let once = await eventually { handledCount == round + 1 }
                try #require(once, "round \(round): \(handledCount)")
            }
            try await Task.sleep(for: .milliseconds(50))
            #expect(handledCount == rounds)
        }
    }

    @Test("An unread SIGTERM is raised exactly once, although it comes while a subscription to many signals ends")
    func slowEnding() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            let others = SignalNumber.catchable.filter { $0 != .sigterm }
            let rounds = flood(1500)
            for round in 0..<rounds {
                let leavesUnread = try Kept("events")
                // Its bridge no longer captures SIGTERM while the others are removed.
                let endsSlowly = try SignalWaiter([.sigterm] + others)
                let isEnding = Shared(false)
                async let ended: Void = onThread {
                    isEnding { $0 = true }
                    endsSlowly.cancel()
                }
                await onThread {
                    while !isEnding.now {}
                    for _ in 0..<round % 50 * 4 { _ = getppid() }
                    raise(SIGTERM)
                    leavesUnread.end()
                }
                await ended
                let once = await eventually { handledCount == round + 1 }
                try #require(once, "round \(round): \(handledCount)")
            }
        }
    }

    @Test("In a simulation an early subscription's unread SIGTERM goes to the later one")
    func simulatedLaterSubscription() async throws {
        try await withSimulatedSignals { simulator in
            let early = try SignalWaiter(.sigterm)
            try simulator.send(.sigterm)
            let later = try SignalEvents(.sigterm)
            early.cancel()
            later.finish()
            #expect(await later.rest().deliveries == 1)
            #expect(simulator.forcedExit == nil)
        }
    }

    @Test("In a simulation a SIGINT that was consumed in a coalesced event is not raised again")
    func simulatedCoalescedConsumption() async throws {
        try await withSimulatedSignals { simulator in
            let early = try SignalWaiter(.sigint)
            try simulator.send(.sigint)
            let later = try SignalWaiter(.sigint)
            try simulator.send(.sigint)
            #expect(await onThread { early.next(timeout: .zero)?.count } == 2)
            early.cancel()
            later.cancel()
            #expect(simulator.forcedExit == nil)
        }
    }

    @Test("In a simulation a SIGTERM that neither of two subscriptions has read is a forced end")
    func simulatedBothEnd() async throws {
        try await withSimulatedSignals { simulator in
            let both = try [SignalWaiter(.sigterm), SignalWaiter(.sigterm)]
            try simulator.send(.sigterm)
            both[0].cancel()
            #expect(simulator.forcedExit == nil)
            both[1].cancel()
            #expect(simulator.forcedExit == .sigterm)
        }
    }
}

private let kinds = ["events", "observer", "waiter"]

/// A subscription to SIGTERM that reads nothing before it is asked.
private final class Kept: Sendable {
    private let events: Shared<SignalEvents?>
    private let observer: SignalObserver?
    private let waiter: SignalWaiter?
    private let queue = DispatchQueue(label: "stuck")
    private let calls = Shared(0)

    init(_ kind: String) throws {
        events = Shared(kind == "events" ? try SignalEvents(.sigterm) : nil)
        if kind == "observer" { queue.suspend() }
        observer =
            kind == "observer"
            ? try SignalObserver(.sigterm, queue: queue) { [calls] event in calls { $0 += event.count } } : nil
        waiter = kind == "waiter" ? try SignalWaiter(.sigterm) : nil
    }

    /// Whether it gets exactly so many deliveries.
    func receives(_ count: Int) async -> Bool {
        if observer != nil { queue.resume() }
        let received = Shared(0)
        if let events = events.now { Task { for await event in events { received { $0 += event.count } } } }
        if let waiter { startThread { while let event = waiter.next() { received { $0 += event.count } } } }
        let came = await eventually { received.now + calls.now >= count }
        try? await Task.sleep(for: .milliseconds(200))
        return came && received.now + calls.now == count
    }

    func end() {
        events { $0 = nil }  // the only copy
        observer?.cancel()
        waiter?.cancel()
        if observer != nil { queue.resume() }
    }
}
