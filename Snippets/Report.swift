// snippet.hide
// A daemon whose program looks at the report before it exits.
// signals: TERM
import SignalDaemon

func consume() async throws {}

// snippet.show
let report = try await Daemon.run { daemon in
    try daemon.addTask("consumer") { try await consume() }
    await daemon.shutdownRequested()
}
print(report)
report.exit()
