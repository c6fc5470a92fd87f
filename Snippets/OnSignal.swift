// snippet.hide
// A signal of the program's own, which works until the very end.
// signals: USR1 TERM
import SignalBridge
import SignalDaemon

@Sendable func reopenLogFiles() {}

// snippet.show
await Daemon.main { daemon in
    try daemon.onSignal(.sigusr1) { event in
        reopenLogFiles()
        print("log files reopened for \(event)")  // "… for SIGUSR1 from pid 4242 (uid 0)"
    }
    daemon.notifyReady()
    await daemon.shutdownRequested()
}
