// snippet.hide
// A new configuration restarts the body.
// signals: HUP TERM
import SignalBridge
import SignalDaemon

struct Configuration: Sendable {
    let greeting: String
    init(contentsOf path: String) throws { greeting = "hello" }
}

// snippet.show
let report = try await Daemon.run {
    try Configuration(contentsOf: "daemon.conf")
} body: { daemon, configuration in
    print("serving with \(configuration.greeting)")
    await daemon.shutdownRequested()  // by a signal to end, or by a new configuration
}
// snippet.hide
precondition(report.reloads == 1)
// snippet.show
report.exit()
