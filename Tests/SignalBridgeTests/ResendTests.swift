// A program that leaves a SIGTERM or SIGINT unread still ends.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Unread signals at the end of a subscription") struct ResendTests {
    @Test("An unread SIGTERM ends the process when SignalEvents ends")
    func events() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            try await neverIterate()
            try await Task.sleep(for: .seconds(20))
        }
    }

    @Test("An unread SIGINT ends the process when withSignalEvents returns")
    func scope() async {
        await #expect(processExitsWith: .signal(SIGINT)) {
            limit()
            try await withSignalEvents(.sigint) { _ in await deliver(.sigint) }
            try await Task.sleep(for: .seconds(20))
        }
    }

    @Test("An unread SIGTERM ends the process when a SignalObserver with a stuck queue ends")
    func observer() async {
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

    @Test("An unread SIGINT ends the process when a SignalWaiter ends")
    func waiter() async {
        await #expect(processExitsWith: .signal(SIGINT)) {
            limit()
            let waiter = try SignalWaiter(.sigint)
            await deliver(.sigint)
            waiter.cancel()
            try await Task.sleep(for: .seconds(20))
        }
    }

    @Test("An unread SIGTERM is raised once more, however many were unread")
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

    @Test("A signal that came after the last one that was consumed is raised once more")
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

    @Test("Unread SIGHUP, SIGUSR1 and SIGQUIT are dropped")
    func dropped() async {
        await #expect(processExitsWith: .success) {
            limit()
            try await withSignalEvents(.sighup, .sigusr1, .sigquit) { _ in await deliver(.sighup, .sigusr1, .sigquit) }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    @Test("A signal that a chained handler has had is not raised again")
    func chained() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)
            try await withSignalEvents(.sigterm, options: .chain) { _ in await deliver(.sigterm) }
            try await Task.sleep(for: .milliseconds(200))
            #expect(handledCount == 1)
        }
    }

    @Test("finish() keeps the captured events for tasks that still iterate")
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

    #if os(Linux)
        @Test(
            "As PID 1 an unread SIGTERM ends the process with 143, although the kernel drops what is sent to it",
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
