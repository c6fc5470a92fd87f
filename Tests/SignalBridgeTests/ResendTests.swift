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

    @Test("what came after the last one that was consumed is raised once more")
    func consumedBefore() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            install(countingHandler, for: .sigint)
            try await withSignalEvents(.sigterm, .sigint) { events in
                await deliver(.sigint, times: 3)
                #expect(await events.collect(deliveries: 3).deliveries == 3)
            }
            try await Task.sleep(for: .milliseconds(100))
            #expect(handledCount == 0)
            try await withSignalEvents(.sigterm, .sigint) { events in
                await deliver(.sigint)
                for await _ in events { break }
                await deliver(.sigterm, .sigint)
            }
            #expect(await eventually { handledCount == 2 })
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

@Suite struct UnreadSignalsOfSeveral {
    @Test(
        "a SIGTERM that an early subscription leaves unread goes to a later one that does not have it",
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
            _exit(0)  // what the second one left unread is not the question
        }
    }

    @Test(
        "so it does where the early one chained to the default action, or to a handler that ran",
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

    @Test("it kills if the later one has ended too, and neither read it", arguments: kinds, kinds)
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

    @Test("a SIGINT that was consumed as part of a coalesced event is not raised again by a later subscription's end")
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

    @Test("a SIGINT that was consumed is not raised again because an older one is read afterwards")
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

    @Test("a subscription that finish() ended still holds what it captured, and nothing that came later")
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

    @Test("once a SIGTERM was raised again, a subscription that finish() ended before does not raise an older one")
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

    @Test("a SIGTERM that nobody reads is raised exactly once, whatever ends and begins when it comes")
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

    #if os(Linux)
        @Test(
            "as PID 1 an unread SIGTERM ends the process with 143, although the kernel drops what is sent to it",
            .enabled(if: canMakePIDNamespaces, "no permission for a PID namespace: unshare(2)"),
            .enabled(if: !underThreadSanitizer, "the thread sanitizer's runtime does not survive fork(2) here"))
        func asInit() async {
            await #expect(processExitsWith: .success) {
                limit()
                await onThread {
                    let status = forked {  // after unshare(2) a process can start no thread
                        guard newPIDNamespace() else { return 1 }
                        return forked {
                            dieWithParent()  // no signal of a process in the namespace ends its init
                            guard getpid() == 1, let waiter = try? SignalWaiter(.sigterm) else { return 2 }
                            kill(1, SIGTERM)
                            waiter.cancel()
                            return 7
                        }
                    }
                    #expect(status == 128 + SIGTERM)
                }
            }
        }
    #endif

    @Test("in a simulation an early subscription's unread SIGTERM goes to the later one; at the end it is a forced end")
    func simulated() async throws {
        try await withSimulatedSignals { simulator in
            let early = try SignalWaiter(.sigterm)
            try simulator.send(.sigterm)
            let later = try SignalEvents(.sigterm)
            early.cancel()
            #expect(simulator.forcedExit == nil)
            #expect(await later.collect(deliveries: 1).deliveries == 1)
            later.finish()
            #expect(simulator.forcedExit == nil)
        }
        try await withSimulatedSignals { simulator in
            let early = try SignalEvents(.sigint)
            try simulator.send(.sigint)
            let later = try SignalWaiter(.sigint)
            try simulator.send(.sigint)
            #expect(await early.collect(deliveries: 2).map(\.count) == [2])
            early.finish()
            later.cancel()
            #expect(simulator.forcedExit == nil, "it was consumed")
        }
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

#if os(Linux)
    private let cloneNewPID: Int32 = 0x2000_0000
    private typealias Unshare = @convention(c) (Int32) -> Int32

    /// Children of this process are in a new PID namespace, the first as its init.
    private func newPIDNamespace() -> Bool {
        unsafeBitCast(dlsym(nil, "unshare"), to: Unshare.self)(cloneNewPID) == 0
    }

    private func dieWithParent() {
        typealias Control = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
        _ = unsafeBitCast(dlsym(nil, "prctl"), to: Control.self)(1, UInt(SIGKILL), 0, 0, 0)  // PR_SET_PDEATHSIG
    }

    private let canMakePIDNamespaces: Bool = forked { newPIDNamespace() ? 7 : 1 } == 7
#endif

@inline(never) private func neverIterate() async throws {
    let events = try SignalEvents(.sigterm, .sighup)
    await deliver(.sigterm)
    events.finish()
}
