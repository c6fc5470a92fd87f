// snippet.hide
// A part of a daemon that ends while the rest runs on.
// signals: TERM
import SignalDaemon

// snippet.show
let report = try await Daemon.run { daemon in
    let search = try daemon.addPart("search") { part in
        part.addCleanup("index") { print("index: closed") }
        await part.shutdownRequested()
    }
    search.shutdown()  // the rest runs on, until a signal comes
    await daemon.shutdownRequested()
}
print(report.part("search")!)
// snippet.hide
precondition(report.part("search")?.task("index")?.outcome.description == "finished")
// snippet.show
report.exit()
