// SignalDiagnostics, which says why a signal arrives or not, and rearm().
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Diagnostics") struct DiagnosticsTests {
    @Test("Diagnostics see a handler that replaced the library's, and rearm() takes the signal back")
    func displaced() async {
        await #expect(processExitsWith: .success) {
            limit()
            let first = action(of: .sigusr1)
            let events = try SignalEvents(.sigusr1, options: .chain)
            var look = try SignalDiagnostics(for: .sigusr1)
            #expect(look.isArmed && !look.isDisplaced && !look.isIgnored, "armed: \(look)")
            install(countingHandler, for: .sigusr1, mask: [.sigusr2])
            look = try SignalDiagnostics(for: .sigusr1)
            #expect(look.isDisplaced && !look.isArmed, "displaced: \(look)")
            #expect(look.explanation.contains("rearm"), "\(look.explanation)")
            await deliver(.sigusr1)
            #expect(handledCount == 1, "the other handler has it")
            try SignalNumber.sigusr1.rearm()
            look = try SignalDiagnostics(for: .sigusr1)
            #expect(look.isArmed && !look.isDisplaced, "rearmed: \(look)")
            await deliver(.sigusr1)
            events.finish()
            let all = await events.rest()
            #expect(all.deliveries == 1, "the library has the second one: \(all)")
            #expect(handledCount == 1, "the other handler has stopped")
            #expect(action(of: .sigusr1) == first)
        }
    }

    @Test("The explanation tells each reason apart, in one line")
    func explanation() async {
        await #expect(processExitsWith: .success) {
            limit()
            let nobody = try SignalDiagnostics(for: .sigusr1).explanation
            try SignalNumber.sigusr1.setDisposition(.ignore)
            let ignored = try SignalDiagnostics(for: .sigusr1)
            #expect(ignored.isIgnored && !ignored.isArmed)
            let events = try SignalEvents(.sigusr1)
            let armed = try SignalDiagnostics(for: .sigusr1).explanation
            install(otherHandler, for: .sigusr1)
            let displaced = try SignalDiagnostics(for: .sigusr1).explanation
            let all = [nobody, ignored.explanation, armed, displaced]
            #expect(Set(all).count == 4, "\(all)")
            #expect(all.allSatisfy { $0.contains("SIGUSR1") && !$0.contains("\n") }, "\(all)")
            events.finish()
        }
    }

    @Test("rearm() without a subscription, and diagnostics of a signal that cannot be caught, are refused")
    func refused() async {
        await #expect(processExitsWith: .success) {
            limit()
            let before = action(of: .sigusr1)
            let error = refusal { try SignalNumber.sigusr1.rearm() }
            #expect(error?.code == .notSubscribed && error?.signal == .sigusr1, "\(String(describing: error))")
            let events = try SignalEvents(.sigusr1)
            #expect(refusal { try SignalNumber.sigusr1.rearm() } == nil, "armed already")
            events.finish()
            #expect(refusal { try SignalNumber.sigusr1.rearm() }?.code == .notSubscribed, "it has ended")
            #expect(action(of: .sigusr1) == before)
            #expect(refusal { try SignalNumber.sigkill.rearm() }?.code == .uncatchable)
            #expect(refusal { try SignalNumber(rawValue: 100).rearm() }?.code == .outOfRange)
            #expect(refusal { _ = try SignalDiagnostics(for: .sigkill) }?.code == .uncatchable)
        }
    }

    #if os(Linux)
        @Test("Diagnostics tell which threads block a signal")
        func threads() async {
            await #expect(processExitsWith: .success) {
                limit()
                let done = DispatchSemaphore(value: 0)
                let tids = Shared<[Int32]>([])
                for mask in [[SignalNumber.sigusr1], []] {
                    startThread {
                        setMask(mask)
                        tids { $0.append(threadID()) }
                        done.wait()
                    }
                    #expect(await eventually { tids.now.count == (mask.isEmpty ? 2 : 1) })
                }
                let look = try SignalDiagnostics(for: .sigusr1)
                #expect(look.blockedThreads.contains(tids.now[0]), "\(look)")
                #expect(look.unblockedThreads.contains(tids.now[1]), "\(look)")
                #expect(Set(look.blockedThreads).isDisjoint(with: look.unblockedThreads), "\(look)")
                done.signal()
                done.signal()
            }
        }

        @Test("Diagnostics do not ask for a thread that takes the signals of a loop over signalfd")
        func overSignalfd() async {
            await #expect(processExitsWith: .success) {
                limit()
                let loop = try SignalLoop(mechanism: .signalfd)
                let events = try SignalEvents(.sigusr1, loop: loop)
                let (started, done) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
                startThread {  // the others may block all signals for a moment, when they make a thread
                    started.signal()
                    done.wait()
                }
                await onThread { started.wait() }
                let diagnostics = try SignalDiagnostics(for: .sigusr1)
                #expect(diagnostics.explanation.contains("over signalfd; it will arrive"), "\(diagnostics.explanation)")
                #expect(diagnostics.isArmed && !diagnostics.unblockedThreads.isEmpty, "\(diagnostics)")
                done.signal()
                withExtendedLifetime(events) {}
            }
        }
    #endif
}
