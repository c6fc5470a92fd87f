// The transitions of a daemon, in a log and as metrics. snippet.hide
import Logging
import MetricsTestKit
import SignalDaemon

let logger = Logger(label: "observed")
let factory = StreamMetricsFactory.standardOutput()  // each change of a metric is a line

// snippet.show
let metrics = DaemonMetrics(factory: factory)
let observe: @Sendable (DaemonTransition) -> Void = { transition in
    logger.log(transition)
    metrics.record(transition)
}
// snippet.hide

let report = try await Daemon.run(onTransition: observe) { daemon in
    try daemon.onReload { logger.info("reloading") }
    logger.info("ready")
    daemon.notifyReady()
    await daemon.shutdownRequested()
}
report.exit()
