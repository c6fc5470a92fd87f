// snippet.hide
// Named work, and what shutdown does to it.
// signals: TERM
import SignalBridge
import SignalDaemon

let (messages, feed) = AsyncStream<Int>.makeStream()
for number in 1...3 { feed.yield(number) }
@Sendable func process(_ message: Int) async {}
@Sendable func poll() async throws { try await Task.sleep(for: .seconds(3600)) }
@Sendable func commit() async throws -> Int { 3 }

// snippet.show
let report = try await Daemon.run(policy: .server.with(gracePeriod: .seconds(10))) { daemon in
    // Finishes what it has; is cancelled after ten seconds.
    try daemon.addTask("consumer") {
        for await message in messages { await process(message) }
    }
    // The loop above waits for its next message: so a shutdown ends its messages.
    daemon.onGracefulShutdown { feed.finish() }
    // Nothing worth finishing: cancelled at the first signal.
    try daemon.addTask("poller", onShutdown: .cancel) { try await poll() }
    // Never cancelled; only a forced exit ends it early.
    try daemon.addTask("writer", onShutdown: .complete) { _ = try await commit() }
    // A part of a task that must not be cut in half, in a task that may be cancelled.
    let count = try await daemon.shield("commit") { try await commit() }
    print("committed \(count)")
    // Clean-up, after all of the above, the last registered first.
    daemon.addCleanup("database") { print("database: closed") }
    daemon.addCleanup("metrics") { print("metrics: flushed") }
    await daemon.shutdownRequested()
}
for task in report.tasks { print(task) }  // "task consumer: finished", "task poller: cancelled", …
// snippet.hide
precondition(report.exitStatus == .code(0))
precondition(report.tasks.map(\.name).suffix(2) == ["metrics", "database"])
precondition(report.task("consumer")?.outcome.description == "finished")
// snippet.show
report.exit()
