// snippet.hide
// Everything that happens, for a logger; and what is unfinished at a forced exit.
// signals: TERM
import SignalBridge
import SignalDaemon

func serve() async throws {
    // snippet.show
    let report = try await Daemon.run(
        onTransition: { transition in print(transition) },
        onForcedExit: { report in print("not done in time:", report.tasks.filter { "\($0.outcome)" == "abandoned" }) }
    ) { daemon in
        await daemon.shutdownRequested()
    }
    report.exit()
    // snippet.hide
}

try await serve()
