// Signals that are ignored when a subscription begins, such as SIGHUP under nohup(1), with and without .keepIgnored.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Signals that are ignored") struct IgnoredSignalTests {
    @Test("With .keepIgnored an ignored signal is left alone, and the subscription says which")
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

    @Test(
        "With .keepIgnored a signal that was ignored is left alone, although another subscription has it",
        arguments: [0, 1])
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

    @Test("With .keepIgnored a signal that was ignored is left alone, although two bridges have it")
    func keepIgnoredBeneath() async {
        await #expect(processExitsWith: .success) {
            limit()
            try SignalNumber.sighup.setDisposition(.ignore)
            let waiter = try SignalWaiter(.sighup)
            let plain = try SignalEvents(.sighup)
            let polite = try SignalEvents(.sighup, options: .keepIgnored)
            #expect(polite.signalsLeftIgnored == [.sighup])
            plain.finish()
            waiter.cancel()
            #expect(try SignalNumber.sighup.disposition == .ignore)
        }
    }

    @Test("Without .keepIgnored an ignored signal arrives, and is ignored again after the end")
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
