// G6, G12 and the diagnostics: living with other people's handlers.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite struct Coexistence {
    @Test("G6: .chain runs the previous handler once for each delivery, however many ask")
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

    @Test("G6: .chain over the default action or an ignored signal runs nothing", arguments: [0, 1])
    func chainOntoNothing(ignored: Int) async {
        await #expect(processExitsWith: .success) { [ignored] in
            limit()
            if ignored == 1 { try SignalNumber.sighup.setDisposition(.ignore) }
            let events = try SignalEvents(.sighup, options: .chain)
            await deliver(.sighup)
            #expect(await events.collect(deliveries: 1).count == 1)
        }
    }

    @Test("G6: a handler installed over ours is seen; rearm() takes the signal back; the end restores the first one")
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
            #expect(handledCount == 1, "theirs has it")
            try SignalNumber.sigusr1.rearm()
            look = try SignalDiagnostics(for: .sigusr1)
            #expect(look.isArmed && !look.isDisplaced, "rearmed: \(look)")
            await deliver(.sigusr1)
            events.finish()
            let all = await events.rest()
            #expect(all.deliveries == 1, "ours has the second one: \(all)")
            #expect(handledCount == 1, "theirs has stopped")
            #expect(action(of: .sigusr1) == first)
        }
    }

    @Test("the explanation tells each reason apart, in one line")
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

    #if os(Linux)
        @Test("diagnostics tell which threads block a signal")
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
    #endif

    @Test("rearm() without a subscription, and diagnostics of what cannot be caught, are refused")
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

    @Test("G12: .keepIgnored leaves an ignored signal alone, and says which")
    func keepIgnored() async {
        await #expect(processExitsWith: .success) {
            limit()
            try SignalNumber.sighup.setDisposition(.ignore)
            let events = try SignalEvents(.sighup, .sigusr1, options: .keepIgnored)
            let callback = try SignalObserver(.sighup, .sigusr1, options: .keepIgnored) { _ in }
            let waiter = try SignalWaiter(.sighup, .sigusr1, options: .keepIgnored)
            #expect(
                [events.signalsLeftIgnored, callback.signalsLeftIgnored, waiter.signalsLeftIgnored] == [
                    [.sighup], [.sighup], [.sighup],
                ])
            #expect(disposition(of: .sighup) == .ignore)
            await deliver(.sighup, .sigusr1)
            events.finish()
            #expect(await events.rest().map(\.signal) == [.sigusr1])
            callback.cancel()
            waiter.cancel()
            #expect(disposition(of: .sighup) == .ignore)
            #expect(disposition(of: .sigusr1) == .default)
        }
    }

    @Test("G12: it also does where somebody else has subscribed to that signal meanwhile", arguments: [0, 1])
    func keepIgnoredLater(kind: Int) async {
        await #expect(processExitsWith: .success) { [kind] in
            limit()
            try SignalNumber.sighup.setDisposition(.ignore)
            let greedy: Any = kind == 0 ? try SignalEvents(.sighup) : try SignalWaiter(.sighup)
            #expect(disposition(of: .sighup) == .handler)
            let polite = try SignalEvents(.sighup, options: .keepIgnored)
            #expect(polite.signalsLeftIgnored == [.sighup], "it was ignored when the process started")
            withExtendedLifetime(greedy) {}
        }
    }

    @Test("without .keepIgnored an ignored signal arrives, and is ignored again afterwards")
    func takeIgnored() async {
        await #expect(processExitsWith: .success) {
            limit()
            try SignalNumber.sighup.setDisposition(.ignore)
            let events = try SignalEvents(.sighup)
            #expect(events.signalsLeftIgnored.isEmpty)
            await deliver(.sighup)
            events.finish()
            #expect(await events.rest().count == 1)
            #expect(disposition(of: .sighup) == .ignore)
        }
    }
}
