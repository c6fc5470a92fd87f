// snippet.hide
// A daemon that finishes the job in hand when it is asked to end: the example of the README.
// signals: TERM
// snippet.show
import SignalDaemon

await Daemon.main { daemon in
    daemon.onGracefulShutdown { print("no new jobs") }  // a server stops accepting here
    daemon.addCleanup("database") { print("database closed") }
    daemon.notifyReady()  // for systemd and s6
    while !daemon.isShuttingDown {
        try await Task.sleep(for: .seconds(1))  // a job: the shutdown waits for it
    }
}
