// snippet.hide
// A daemon under systemd: when it is ready, how it is, and whether it is well.
// signals: TERM
import SignalBridge
import SignalDaemon

actor Connections {
    var count = 0
    var areAlive: Bool { true }
}
let connections = Connections()

func serve() async -> Never {
    // snippet.show
    await Daemon.main { daemon in
        daemon.notifyReady()  // now systemd starts the units that depend on this daemon
        daemon.setStatus("\(await connections.count) connections")
        daemon.setWatchdogCheck { await connections.areAlive }
        await daemon.shutdownRequested()
    }
    // snippet.hide
}

await serve()
