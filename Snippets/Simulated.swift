// snippet.hide
// Testing code that waits for signals, in parallel, without sending one.
import SignalBridge

// snippet.show
func serve() async throws -> String {
    for await event in try SignalEvents(.sighup, .sigterm) where event.signal == .sigterm {
        return "ended by \(event.signal)"
    }
    return "ended by itself"
}

try await withSimulatedSignals { simulator in
    async let result = serve()
    await simulator.waitForSubscriber(of: .sigterm)
    try simulator.send(.sighup)
    try simulator.send(.sigterm)
    let text = try await result
    precondition(text == "ended by SIGTERM")
    precondition(simulator.forcedExit == nil)
}
