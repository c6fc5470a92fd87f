import Reporting
import SignalBridge

#if FOUNDATION
    import Foundation
#endif

@main
struct Program {
    static func main() async throws {
        switch chosenCase() {
        case "loop":
            let events = try SignalEvents(.sighup, .sigusr1, .sigterm, .realtime(3))
            ready()
            await reportAll(events)
        case "scope":
            try await withSignalEvents(.sighup, .sigusr1, .sigterm, .realtime(3)) { events in
                ready()
                await reportAll(events)
            }
        default:
            fatalError("no such case")
        }
    }

    static func reportAll(_ events: SignalEvents) async {
        for await event in events {
            report(event)
            if event.signal == .sigterm { break }
        }
    }
}
