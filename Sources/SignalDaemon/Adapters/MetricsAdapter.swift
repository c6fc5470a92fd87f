#if Metrics
    import CoreMetrics
    import SignalBridge

    /// A recorder that counts the transitions of a daemon, by swift-metrics. With the trait `Metrics`.
    ///
    /// Use it for `onTransition`: `Daemon.main(onTransition: { metrics.record($0) })`.
    ///
    /// | name | kind | dimensions | what |
    /// |---|---|---|---|
    /// | `daemon_signals_total` | counter | `signal`, `effect` | signals, by name and by effect, such as "beganReload" |
    /// | `daemon_reloads_total` | counter | `result` | reloads: "succeeded" or "failed" |
    /// | `daemon_work_total` | counter | `kind`, `outcome` | work that ended: "finished", "cancelled", "failed" or "abandoned" |
    /// | `daemon_phase_duration` | timer | `phase` | the duration of "running", "draining", "cancelling" and "cleaningUp", at their ends |
    /// | `daemon_dropped_transitions_total` | counter | | transitions that were dropped, because `onTransition` was behind |
    /// | `daemon_exits_total` | counter | `status` | ends of a daemon: "exit code 0", "death by SIGINT", "forced" |
    ///
    /// Abandoned work has the kind "unknown", because the transition has only its names. Phases are measured when
    /// `record` is called, so an `onTransition` that is behind shifts them; `record(_:)` of a report has the exact
    /// durations. Of a part, only transitions of its work are counted. Names of work are no dimensions, because their
    /// number is unlimited. Metrics that the backend has not sent are lost when the process ends: flush them in a
    /// clean-up.
    public final class DaemonMetrics: Sendable {
        private let prefix: String
        private let factory: any MetricsFactory
        private let current = Lock<(phase: DaemonPhase, since: Duration)?>(nil)

        /// Makes a recorder for one daemon.
        ///
        /// - Parameters:
        ///   - prefix: the first word of each metric's name.
        ///   - factory: the factory of the metrics. Bootstrap the metrics system before.
        public init(prefix: String = "daemon", factory: any MetricsFactory = MetricsSystem.factory) {
            self.prefix = prefix
            self.factory = factory
        }

        /// Records a transition. Give each transition of the daemon to this function, in order.
        public func record(_ transition: DaemonTransition) {
            switch transition {
            case .received(let event, let response):
                count("signals", [("signal", event.signal.name), ("effect", "\(response)")])
            case .reloaded: count("reloads", [("result", "succeeded")])
            case .reloadFailed: count("reloads", [("result", "failed")])
            case .ended(let task): record(task)
            case .dropped(let count): self.count("dropped_transitions", [], by: count)
            case .started: enter(.running)
            case .entered(let phase, _): enter(phase)
            case .finished(let status): end("\(status)")
            case .forced(_, let names):
                count("work", [("kind", "unknown"), ("outcome", "abandoned")], by: names.count)
                end("forced")
            case .part(_, let inner): recordWork(of: inner)
            default: break
            }
        }

        /// Records a report, for a program that does not record transitions. The signals that requested the end have
        /// the effect "requestedEnd"; the rest is as above.
        public func record<Value>(_ report: DaemonReport<Value>) {
            for event in report.signals {
                count("signals", [("signal", event.signal.name), ("effect", "requestedEnd")])
            }
            if report.reloads > 0 { count("reloads", [("result", "succeeded")], by: report.reloads) }
            if !report.failedReloads.isEmpty {
                count("reloads", [("result", "failed")], by: report.failedReloads.count)
            }
            for task in report.tasks { record(task) }
            for phase in DaemonPhase.allCases where report.duration(of: phase) > .zero {
                record(report.duration(of: phase), of: phase)
            }
            count("exits", [("status", report.forcedExit == nil ? "\(report.exitStatus)" : "forced")])
        }

        private func recordWork(of transition: DaemonTransition) {
            switch transition {
            case .ended(let task): record(task)
            case .part(_, let inner): recordWork(of: inner)
            default: break
            }
        }

        private func record(_ task: DaemonTask) {
            let outcome =
                switch task.outcome {
                case .finished: "finished"
                case .cancelled: "cancelled"
                case .failed: "failed"
                case .abandoned: "abandoned"
                }
            count("work", [("kind", task.kind.rawValue), ("outcome", outcome)])
        }

        private func enter(_ phase: DaemonPhase?) {
            let now = makeEnvironment().now  // in a simulation, its time
            let ended = current.withLock { exchange(&$0, with: phase.map { (phase: $0, since: now) }) }
            if let ended { record(now - ended.since, of: ended.phase) }
        }

        private func end(_ status: String) {
            enter(nil)
            count("exits", [("status", status)])
        }

        private func record(_ duration: Duration, of phase: DaemonPhase) {
            let name =
                switch phase {
                case .running: "running"
                case .draining: "draining"
                case .cancelling: "cancelling"
                case .cleaningUp: "cleaningUp"
                }
            let timer = factory.makeTimer(label: "\(prefix)_phase_duration", dimensions: [("phase", name)])
            timer.recordNanoseconds(Int64(duration / .nanoseconds(1)))
        }

        private func count(_ what: String, _ dimensions: [(String, String)], by amount: Int = 1) {
            factory.makeCounter(label: "\(prefix)_\(what)_total", dimensions: dimensions).increment(by: Int64(amount))
        }
    }
#endif
