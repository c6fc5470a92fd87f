// snippet.hide
// A new configuration is applied while the body runs.
// signals: HUP TERM
import SignalBridge
import SignalDaemon

struct Configuration: Sendable {
    let level: String
    init(contentsOf path: String) throws { level = "debug" }
}
actor Log {
    var level = ""
    func set(_ level: String) { self.level = level }
}
let log = Log()

// snippet.show
let report = try await Daemon.run(
    load: { try Configuration(contentsOf: "daemon.conf") },
    apply: { configuration in await log.set(configuration.level) }
) { daemon, configuration in
    await log.set(configuration.level)
    await daemon.shutdownRequested()
}
print("\(report.reloads) reloads, \(report.failedReloads.count) failed")
// snippet.hide
precondition(report.reloads == 1)
// snippet.show
report.exit()
