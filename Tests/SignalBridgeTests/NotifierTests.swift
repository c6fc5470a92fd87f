// When the supervisor is told, by hand: no socket, and no clock but the test's.
import Testing

@testable import SignalBridge

@Suite struct Notifiers {
    @Test("a watchdog that has not answered is not asked again, and not answered for")
    func hangingCheck() {
        var notifier = Notifier(Supervisor(socket: "/nowhere", watchdog: .seconds(2)), at: .zero)
        var asked = [notifier.pings(at: .milliseconds(999)), notifier.pings(at: .seconds(1))]
        notifier.isAsking = true
        asked.append(notifier.pings(at: .seconds(2)))
        notifier.isAsking = false
        asked.append(notifier.pings(at: .seconds(3)))
        #expect(asked == [false, true, false, true])
    }
}
