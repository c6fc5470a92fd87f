// The end of a subscription restores the dispositions of the process.
import Foundation
import SignalBridge
import TestSupport
import Testing

/// Starts subscriptions to every signal that can be caught, of one kind, and ends them in one way.
private let endings: [(name: String, run: @Sendable ([SignalNumber]) async throws -> Void)] = [
    ("SignalEvents.finish", { signals in try SignalEvents(signals).finish() }),
    ("the last copy of SignalEvents", { signals in try dropEvents(signals) }),
    ("withSignalEvents returns", { signals in try await withSignalEvents(signals) { _ in armed(signals) } }),
    (
        "withSignalEvents throws",
        { signals in
            let error = await #expect(throws: CancellationError.self) {
                try await withSignalEvents(signals) { _ in
                    armed(signals)
                    throw CancellationError()
                }
            }
            #expect(error != nil)
        }
    ),
    ("SignalObserver.cancel", { signals in try SignalObserver(signals) { _ in }.cancel() }),
    ("the last reference to a SignalObserver", { signals in try dropSubscription(signals) }),
    ("SignalWaiter.cancel", { signals in try SignalWaiter(signals).cancel() }),
    ("the last reference to a SignalWaiter", { signals in try dropWaiter(signals) }),
    (
        "nextSignal, cancelled",
        { signals in
            let task = Task { try await nextSignal(signals) }
            #expect(await eventually { isHandled(signals[0]) })
            task.cancel()
            let event = try await task.value
            #expect(event == nil)
        }
    ),
    (
        "nextSignal, answered",
        { signals in
            let task = Task { try await nextSignal(signals) }
            #expect(await eventually { isHandled(.sigwinch) && isHandled(signals.last!) })
            kill(getpid(), SIGWINCH)
            let event = try await task.value
            #expect(event?.signal == .sigwinch)
        }
    ),
    (
        "a request that was refused half-way",
        { signals in
            let error = refusal { _ = try SignalEvents(signals + [.sigkill]) }
            #expect(error?.code == .uncatchable)
        }
    ),
]

private func armed(_ signals: [SignalNumber]) { #expect(signals.allSatisfy(isHandled)) }

private func isHandled(_ signal: SignalNumber) -> Bool { disposition(of: signal) == .handler }

@inline(never) private func dropEvents(_ signals: [SignalNumber]) throws {
    let events = try SignalEvents(signals)
    withExtendedLifetime(events) { armed(signals) }
}

@inline(never) private func dropSubscription(_ signals: [SignalNumber]) throws {
    let subscription = try SignalObserver(signals) { _ in }
    withExtendedLifetime(subscription) { armed(signals) }
}

@inline(never) private func dropWaiter(_ signals: [SignalNumber]) throws {
    let waiter = try SignalWaiter(signals)
    withExtendedLifetime(waiter) { armed(signals) }
}

@Suite("Restoration") struct RestorationTests {
    @Test("After any ending, handler, flags and mask of every signal are those from before")
    func everyEnding() async {
        await #expect(processExitsWith: .success) {
            limit()
            let untouched = catchable.map(action(of:))  // among them the Swift runtime's own, if it has installed any
            for (name, run) in endings {
                try await run(catchable)
                let changed = zip(catchable, untouched).filter { action(of: $0) != $1 }.map(\.0)
                #expect(changed.isEmpty, "\(changed) after \(name)")
            }
        }
    }

    @Test("After any ending, a foreign handler has its flags and its mask from before, however unusual")
    func foreignHandlers() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigquit, flags: SA_NODEFER | SA_RESTART | SA_ONSTACK, mask: [.sighup])
            install(countingHandler, for: .sigusr1, flags: Int32(bitPattern: UInt32(SA_RESETHAND)), mask: [.sigusr2])
            install(otherHandler, for: .sigchld, flags: SA_NOCLDSTOP | SA_NOCLDWAIT)
            signal(SIGHUP, SIG_IGN)
            let signals: [SignalNumber] = [.sigquit, .sigusr1, .sigchld, .sighup]
            let before = signals.map(action(of:))
            for (name, run) in endings {
                try await run([.sigwinch] + signals)
                #expect(signals.map(action(of:)) == before, "after \(name)")
            }
        }
    }

    @Test("Only the last of several subscriptions restores the disposition")
    func lastOne() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigusr1)
            let before = action(of: .sigusr1)
            let events = try SignalEvents(.sigusr1)
            let callback = try SignalObserver(.sigusr1) { _ in }
            let waiter = try SignalWaiter(.sigusr1)
            events.finish()
            #expect(action(of: .sigusr1) != before)
            waiter.cancel()
            #expect(action(of: .sigusr1) != before)
            await deliver(.sigusr1)
            callback.cancel()
            #expect(action(of: .sigusr1) == before)
            #expect(handledCount == 0)
        }
    }

    @Test("The library's handler stays beneath a foreign one, and passes on the signals that it gets from it")
    func foreignOnTop() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigusr1)
            let events = try SignalEvents(.sigusr1)
            var saved = sigaction()
            sigaction(SIGUSR1, nil, &saved)
            savedHandler = Saved(saved)
            var foreign = sigaction()
            #if os(Linux)
                foreign.__sigaction_handler.sa_sigaction = { savedHandler.run($0, $1, $2) }
            #else
                foreign.__sigaction_u.__sa_sigaction = { savedHandler.run($0, $1, $2) }
            #endif
            foreign.sa_flags = SA_SIGINFO
            sigaction(SIGUSR1, &foreign, nil)
            let onTop = action(of: .sigusr1)
            await deliver(.sigusr1)
            events.finish()
            #expect(await events.rest().deliveries == 1)
            #expect(action(of: .sigusr1) == onTop, "the foreign one is not taken away")
            #expect(handledCount == 0)
            await deliver(.sigusr1)
            #expect(handledCount == 1, "the library passes it to the one from before")
        }
    }
}

/// The handler that a foreign one was installed over.
private struct Saved: @unchecked Sendable {
    let action: sigaction
    init(_ action: sigaction) { self.action = action }

    func run(_ signal: Int32, _ info: UnsafeMutablePointer<siginfo_t>?, _ context: UnsafeMutableRawPointer?) {
        #if os(Linux)
            action.__sigaction_handler.sa_sigaction(signal, info, context)
        #else
            action.__sigaction_u.__sa_sigaction(signal, info, context)
        #endif
    }
}

nonisolated(unsafe) private var savedHandler = Saved(sigaction())
