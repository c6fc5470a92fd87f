// SignalDisposition: the action that the process takes on a signal without a subscription.
import CSignalShim
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Dispositions") struct DispositionTests {
    @Test("setDisposition and disposition agree with the kernel")
    func setAndLook() async {
        await #expect(processExitsWith: .success) {
            limit()
            #expect(disposition(of: .sigpipe) == .default)
            try SignalNumber.sigpipe.setDisposition(.ignore)
            #expect(disposition(of: .sigpipe) == .ignore)
            await deliver(.sigpipe)
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            close(ends[0])
            #expect(write(ends[1], "x", 1) == -1, "EPIPE, and no death")
            try SignalNumber.sigpipe.setDisposition(.default)
            #expect(disposition(of: .sigpipe) == .default)
            install(countingHandler, for: .sigpipe)
            #expect(disposition(of: .sigpipe) == .handler)
            try SignalNumber.sigpipe.setDisposition(.default)
            #expect(disposition(of: .sigpipe) == .default, "a foreign handler can be replaced")
        }
    }

    @Test("The disposition of a signal that has a subscription, of whatever kind, cannot be set")
    func inUse() async {
        await #expect(processExitsWith: .success) {
            limit()
            let subscriptions: [() throws -> Any] = [
                { try SignalEvents(.sighup) }, { try SignalObserver(.sighup) { _ in } },
                { try SignalWaiter(.sighup) },
            ]
            for subscribe in subscriptions {
                let subscription = try subscribe()
                #expect(disposition(of: .sighup) == .handler)
                for disposition in [SignalDisposition.ignore, .default] {
                    let error = refusal { try SignalNumber.sighup.setDisposition(disposition) }
                    #expect(error?.code == .signalInUse && error?.signal == .sighup, "\(String(describing: error))")
                }
                #expect(disposition(of: .sighup) == .handler)
                (subscription as? SignalEvents)?.finish()
                (subscription as? SignalObserver)?.cancel()
                (subscription as? SignalWaiter)?.cancel()
                try SignalNumber.sighup.setDisposition(.default)
            }
        }
    }

    @Test("A handler cannot be set as a disposition, and the attempt changes nothing")
    func handler() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigusr1, mask: [.sigusr2])
            let before = action(of: .sigusr1)
            let error = refusal { try SignalNumber.sigusr1.setDisposition(.handler) }
            #expect(error?.code == .invalidArgument && error?.signal == .sigusr1, "\(String(describing: error))")
            #expect(action(of: .sigusr1) == before)
            let events = try SignalEvents(.sighup)
            #expect(refusal { try SignalNumber.sighup.setDisposition(.handler) }?.code == .invalidArgument)
            events.finish()
            #expect(refusal { try SignalNumber.sigkill.setDisposition(.handler) }?.code == .uncatchable)
        }
    }

    @Test("After csigshim_reset_for_exec the next program ignores what was ignored at the start")
    func resetForExec() async {
        await #expect(processExitsWith: .exitCode(7)) {
            limit()
            try SignalNumber.sighup.setDisposition(.ignore)
            let events = try SignalEvents(.sighup, .sigterm)
            #expect(disposition(of: .sighup) == .handler)
            #expect(csigshim_reset_for_exec() == 0)
            #expect(disposition(of: .sighup) == .ignore)
            #expect(disposition(of: .sigterm) == .default)
            await onThread {  // it blocks no signal, so the shell blocks none
                let words = ["sh", "-c", "kill -HUP $$; exit 7"]
                var arguments = words.map { strdup($0) } + [nil]
                execv("/bin/sh", &arguments)
            }
            withExtendedLifetime(events) {}
        }
    }

    @Test("performDefaultAction ends the process by the signal, from a task, whatever is installed")
    func dies() async {
        await #expect(processExitsWith: .signal(SIGINT)) {
            limit()
            install(countingHandler, for: .sigint)
            let events = try SignalEvents(.sigint, options: .chain)
            await Task.detached { try? SignalNumber.sigint.performDefaultAction() }.value
            events.finish()
        }
    }

    @Test("performDefaultAction ends the process although the signal is ignored and the thread blocks it")
    func diesIgnored() async {
        await #expect(processExitsWith: .signal(SIGUSR1)) {
            limit()
            try SignalNumber.sigusr1.setDisposition(.ignore)
            await onThread {
                setMask(catchable)
                try? SignalNumber.sigusr1.performDefaultAction()
            }
        }
    }

    @Test("performDefaultAction returns where the default action is to do nothing, and leaves what is installed")
    func goesOn() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigwinch)
            let before = action(of: .sigwinch)
            try SignalNumber.sigwinch.performDefaultAction()
            try SignalNumber.sigchld.performDefaultAction()
            try SignalNumber.sigurg.performDefaultAction()
            #expect(action(of: .sigwinch) == before)
            #expect(handledCount == 0)
        }
    }

    @Test("A signal number that does not exist has no disposition and no default action")
    func refused() {
        for number in [Int32(0), -1, 65, 100, .max] {
            let signal = SignalNumber(rawValue: number)
            #expect(refusal { try signal.performDefaultAction() }?.code == .outOfRange)
            #expect(refusal { _ = try signal.disposition }?.code == .outOfRange)
        }
    }
}
