// What no other test of the lifecycle saw when it was put wrong: see Tests/prove/mutants.
import SignalBridge
import Testing

@testable import SignalDaemon

@Suite struct LifecycleUnseen {
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

    @Test("work that is cancelled before it says how, is cancelled when it says")
    func cancelledWhileStarting() async throws {
        try await withSimulatedSignals { _ in
            let engine = try DaemonEngine(.server, .disabled, DaemonEngine.Program(), nil)
            engine.feed { state, _ in
                state.hasBegun = true
                return []
            }
            let id = engine.state.withLock { state in
                state.ladder.add("late", .task, .drain, endsDaemon: true, generation: 0, at: .zero)!
            }
            engine.shutdown(.cancelled)
            let isCancelled = Lock(false)
            engine.attach(id) { isCancelled.withLock { $0 = true } }
            #expect(isCancelled.withLock { $0 })
            engine.ended(id, nil)
            engine.ended(0, nil)
        }
    }
}
