// snippet.hide
// A reload that an administrator asks for, and its result.
// signals: TERM
import SignalDaemon

@Sendable func loadRules() throws {}
@Sendable func respond(_ status: Int, _ text: String) { print(status, text) }

// snippet.show
@Sendable func postReload(_ daemon: Daemon) async {
    do {
        try await daemon.reload()
        respond(200, "reloaded")
    } catch {
        respond(500, "\(error)")  // the error of the action: nothing has changed
    }
}
// snippet.hide

await Daemon.main { daemon in
    try daemon.onReload { try loadRules() }
    await postReload(daemon)
    await daemon.shutdownRequested()
}
