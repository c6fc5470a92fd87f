// Complete checking in Swift 5 mode, and warnings are errors: an actor, and a class of the main actor.
import Foundation
import SignalBridge
import SignalDaemon

actor Users {
    private var count = 0

    func add(_ event: SignalEvent) {
        count += event.count
        say("\(event.signal) \(count)")
    }
}

@MainActor
final class HangUps {
    private var count = 0

    func follow(_ events: SignalEvents) async {
        for await event in events {
            count += event.count
            say("\(event.signal) \(count)")
        }
    }
}

func say(_ line: String) {
    print(line)
    fflush(nil)
}

@main
struct Program {
    static func main() async throws {
        let events = try SignalEvents(.sighup)
        let hangUps = HangUps()
        let users = Users()
        let observer = try SignalObserver(.sigusr1) { event in
            Task { await users.add(event) }
        }
        // Of the policies, this one leaves SIGHUP to the program.
        let report = try await Daemon.run(policy: .docker) { daemon in
            try daemon.addTask("hang-ups", onShutdown: .cancel) { await hangUps.follow(events) }
            say("ready")
            await daemon.shutdownRequested()
        }
        observer.cancel()
        say("ended by \(report.signal!.signal)")
        report.exit()
    }
}
