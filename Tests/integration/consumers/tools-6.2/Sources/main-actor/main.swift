// Everything belongs to the main actor, unless it says otherwise.
import Foundation
import SignalBridge
import SignalDaemon

final class Counter {
    private var hangUps = 0
    private var users = 0

    func add(_ event: SignalEvent) {
        if event.signal == .sighup { hangUps += event.count } else { users += event.count }
        say("\(event.signal) \(event.signal == .sighup ? hangUps : users)")
    }

    func follow(_ events: SignalEvents) async {
        for await event in events { add(event) }
    }
}

func say(_ line: String) {
    print(line)
    fflush(nil)
}

let counter = Counter()
let events = try SignalEvents(.sighup)
let observer = try SignalObserver(.sigusr1, queue: .main) { event in
    MainActor.assumeIsolated { counter.add(event) }
}
// Of the policies, this one leaves SIGHUP to the program.
let report = try await Daemon.run(policy: .docker) { daemon in
    try daemon.addTask("hang-ups", onShutdown: .cancel) { await counter.follow(events) }
    await say("ready")
    await daemon.shutdownRequested()
}
observer.cancel()
say("ended by \(report.signal!.signal)")
report.exit()
