// snippet.hide
// A daemon that goes on as PID 1 where it cannot have an init.
// signals: TERM
// snippet.show
// snippet.hide
import SignalDaemon

// snippet.show
do {
    try SignalInit.runIfNeeded()
} catch {
    print("PID 1 without an init: \(error)")
}
// snippet.hide

await Daemon.main { daemon in
    daemon.notifyReady()
    await daemon.shutdownRequested()
}
