// Asynchronous functions run where their caller does, so what is not Sendable may be used across them.
import Foundation
import SignalBridge
import SignalDaemon

final class Counter {
    private var counts: [SignalNumber: Int] = [:]

    /// Runs on the actor of its caller, which is the main actor here.
    func follow(_ events: SignalEvents) async {
        for await event in events {
            MainActor.preconditionIsolated()
            counts[event.signal, default: 0] += event.count
            say("\(event.signal) \(counts[event.signal]!)")
        }
    }
}

func say(_ line: String) {
    print(line)
    fflush(nil)
}

@main
struct Program {
    @MainActor
    static func main() async throws {
        let counter = Counter()
        let events = try SignalEvents(.sighup, .sigusr1)
        let following = Task { await counter.follow(events) }
        // Of the policies, this one leaves SIGHUP to the program.
        let report = try await Daemon.run(policy: .docker) { daemon in
            say("ready")
            await daemon.shutdownRequested()
        }
        events.finish()
        await following.value
        say("ended by \(report.signal!.signal)")
        report.exit()
    }
}
