// snippet.hide
// What a shutdown waits for.
// signals: TERM
import SignalDaemon

// snippet.show
await Daemon.main(
    onTransition: { transition in
        if case .waiting(let names) = transition { print("still running:", names) }  // every five seconds
    }
) { daemon in
    try daemon.addTask("import") { await daemon.shutdownRequested() }
    await daemon.shutdownRequested()
    for work in daemon.running { print(work) }  // "task import for 1200 ms"
}
