// snippet.hide
// A worker that stops after the server which fills its queue.
// signals: TERM
import SignalDaemon

// snippet.show
let (jobs, queue) = AsyncStream<String>.makeStream()

let report = try await Daemon.run { daemon in
    try daemon.addTask("server") {
        await daemon.shutdownRequested()
        queue.yield("a job of the last request")
    }
    try daemon.addTask("worker", after: "server") {
        await daemon.shutdownRequested()  // returns when the server has ended
        queue.finish()
        for await job in jobs { print("done: \(job)") }
    }
}
// snippet.hide
precondition(report.tasks.map(\.name) == ["body", "server", "worker"])
// snippet.show
report.exit()
