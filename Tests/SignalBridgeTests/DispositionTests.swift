// SignalDisposition: what the process does with a signal that nobody subscribes to.
import Foundation
import SignalBridge
import Testing

@Suite struct Dispositions {
    @Test("set and current agree with the kernel")
    func setAndLook() async {
        await #expect(processExitsWith: .success) {
            limit()
            #expect(disposition(of: .sigpipe) == .default)
            try SignalDisposition.set(.ignore, for: .sigpipe)
            #expect(disposition(of: .sigpipe) == .ignore)
            await deliver(.sigpipe)
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            close(ends[0])
            #expect(write(ends[1], "x", 1) == -1, "EPIPE, and no death")
            try SignalDisposition.set(.default, for: .sigpipe)
            #expect(disposition(of: .sigpipe) == .default)
            install(countingHandler, for: .sigpipe)
            #expect(disposition(of: .sigpipe) == .handler)
            try SignalDisposition.set(.default, for: .sigpipe)
            #expect(disposition(of: .sigpipe) == .default, "a foreign handler can be replaced")
        }
    }

    @Test("a signal that has a subscription, of whatever kind, cannot be set by hand")
    func inUse() async {
        await #expect(processExitsWith: .success) {
            limit()
            let subscriptions: [() throws -> Any] = [
                { try SignalEvents(.sighup) }, { try SignalSubscription(.sighup) { _ in } },
                { try SignalWaiter(.sighup) },
            ]
            for subscribe in subscriptions {
                let subscription = try subscribe()
                #expect(disposition(of: .sighup) == .handler)
                for plain in [SignalDisposition.Plain.ignore, .default] {
                    let error = refusal { try SignalDisposition.set(plain, for: .sighup) }
                    #expect(error?.code == .inUse && error?.signal == .sighup, "\(String(describing: error))")
                }
                #expect(disposition(of: .sighup) == .handler)
                (subscription as? SignalEvents)?.finish()
                (subscription as? SignalSubscription)?.cancel()
                (subscription as? SignalWaiter)?.cancel()
                try SignalDisposition.set(.default, for: .sighup)
            }
        }
    }

    @Test("performDefaultAction dies by the signal, from a task, whatever is installed")
    func dies() async {
        await #expect(processExitsWith: .signal(SIGINT)) {
            limit()
            install(countingHandler, for: .sigint)
            let events = try SignalEvents(.sigint, options: .chain)
            await Task.detached { try? SignalDisposition.performDefaultAction(of: .sigint) }.value
            events.finish()
        }
    }

    @Test("it dies although the signal is ignored and the calling thread blocks it")
    func diesIgnored() async {
        await #expect(processExitsWith: .signal(SIGUSR1)) {
            limit()
            try SignalDisposition.set(.ignore, for: .sigusr1)
            await onThread {
                setMask(catchable)
                try? SignalDisposition.performDefaultAction(of: .sigusr1)
            }
        }
    }

    @Test("it goes on where the default action is to do nothing, and leaves what is installed")
    func goesOn() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigwinch)
            let before = action(of: .sigwinch)
            try SignalDisposition.performDefaultAction(of: .sigwinch)
            try SignalDisposition.performDefaultAction(of: .sigchld)
            try SignalDisposition.performDefaultAction(of: .sigurg)
            #expect(action(of: .sigwinch) == before)
            #expect(handledCount == 0)
        }
    }

    @Test("numbers that do not exist are refused")
    func refused() {
        for number in [Int32(0), -1, 65, 100, .max] {
            let signal = SignalNumber(rawValue: number)
            #expect(refusal { try SignalDisposition.performDefaultAction(of: signal) }?.code == .outOfRange)
            #expect(refusal { _ = try SignalDisposition.current(of: signal) }?.code == .outOfRange)
        }
    }
}
