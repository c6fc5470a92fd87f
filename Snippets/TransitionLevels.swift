// snippet.hide
// What happens to a daemon, with a level for the log.
// signals: TERM
import SignalBridge
import SignalDaemon

// snippet.show
@Sendable func log(_ transition: DaemonTransition) {
    guard transition.level != .debug else { return }
    print("\(transition.level): \(transition)")  // "notice: SIGTERM from pid 1 (uid 0) shuts down"
    if case .tookBack(let signal, _) = transition { print("who else handles \(signal)?", transition.metadata) }
}

await Daemon.main(onTransition: log) { daemon in
    daemon.notifyReady()
    await daemon.shutdownRequested()
}
