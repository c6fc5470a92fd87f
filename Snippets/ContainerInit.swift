// snippet.hide
// A daemon that may be PID 1 of a container.
// signals: TERM
// snippet.show
import SignalDaemon

try SignalInit.runIfNeeded()  // the first call: nothing has started a thread yet

await Daemon.main { daemon in
    daemon.notifyReady()
    await daemon.shutdownRequested()
}
