// What happens to a daemon, in a log and as metrics.
// snippet.hide
import Logging
import MetricsTestKit
import SignalDaemon

let logger = Logger(label: "observed")
let factory = StreamMetricsFactory.standardOutput()  // each change of a metric is a line

// snippet.show
let metrics = DaemonMetrics(factory: factory)
let report = try await Daemon.run { transition in
    logger.log(transition)
    metrics.record(transition)
} _: { daemon in
    try daemon.onReload { logger.info("reloading") }
    // snippet.hide
    logger.info("ready")
    // snippet.show
    daemon.notifyReady()
    await daemon.shutdownRequested()
}
report.exit()
