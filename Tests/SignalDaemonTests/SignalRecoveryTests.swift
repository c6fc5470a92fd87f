// When a daemon looks for handlers that other code has installed, and when it does not.
import Foundation
import SignalBridge
import TestSupport
import Testing

@testable import SignalDaemon

@Suite("Taking signals back") struct SignalRecoveryTests {
    @Test("A displaced signal is taken back once at a time, and the next look is a second later, not at once")
    func oneAtATime() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sigusr1)
            defer { events.finish() }
            install(countingHandler, for: .sigusr1)
            let recovery = SignalRecovery()
            #expect(recovery.deadline == nil)
            let displaced = recovery.search([.sigusr1], at: .seconds(10))
            #expect(displaced == [.sigusr1])
            #expect(recovery.deadline == .seconds(11))
            #expect(recovery.search([.sigusr1], at: .seconds(11)) == nil, "it is being taken back")
            #expect(recovery.deadline == .seconds(12), "a monitor that waits for it does not spin meanwhile")

            let reported = Shared<[String]>([])
            recovery.takeBack(displaced ?? [], of: [.sigusr1]) { transition in
                reported { $0.append("\(transition)") }
            } onSignal: { _ in
            }
            #expect(!SignalNumber.sigusr1.isDisplaced)
            #expect(reported.now.count == 1)
            #expect(recovery.search([.sigusr1], at: .seconds(12)) == [], "the last thorough look, for Dispatch")
            #expect(recovery.deadline == nil)
        }
    }

    @Test("A daemon without signals looks once, and then has no deadline")
    func noSignals() {
        let recovery = SignalRecovery()
        recovery.checkThoroughly(at: .seconds(1))
        #expect(recovery.search([], at: .seconds(1)) == nil)
        #expect(recovery.deadline == nil)
    }
}
