import SignalBridge

/// The running parts of a daemon, by id, and the reports of the ended ones.
final class DaemonParts: Sendable {
    private struct State {
        var running: [Int: (name: String, runtime: DaemonRuntime)] = [:]
        var ended: [String: DaemonSummary] = [:]
        /// The names of the ended parts, each once, in order.
        var names: [String] = []
        var isAbandoned = false
        /// What a forced exit does not release, because an error's `deinit` may hang.
        var kept: [any Sendable] = []
    }
    /// The limit of kept reports, because a daemon may run for years and name each part after a request.
    private static let maxReports = 1000
    private let state = Lock(State())

    /// Returns `false` after `abandon`: the report is made, so a part that began now would be in no report.
    func add(_ id: Int, _ name: String, _ part: DaemonRuntime) -> Bool {
        state.withLock { state in
            if !state.isAbandoned { state.running[id] = (name, part) }
            return !state.isAbandoned
        }
    }

    func end(_ id: Int) { _ = remove(id) }

    /// Returns what is no longer kept. The caller releases it outside of the lock, because errors are user values (R2).
    private func remove(_ id: Int) -> [any Sendable] {
        let part = state.withLock { $0.running[id] }
        guard let part else { return [] }
        let summary = part.runtime.summary
        return state.withLock { state in
            let earlier = state.ended.updateValue(summary, forKey: part.name)
            if earlier == nil { state.names.append(part.name) }
            let isFull = state.names.count > Self.maxReports
            let dropped = isFull ? state.ended.removeValue(forKey: state.names.removeFirst()) : nil
            return [earlier, dropped, state.running.removeValue(forKey: id)?.runtime]
        }
    }

    /// Abandons the work of the parts, because the process ends.
    func abandon(_ reason: ForcedExitReason) {
        let running = state.withLock { state in
            state.isAbandoned = true
            return state.running
        }
        for (id, part) in running {
            part.runtime.abandon(reason)
            let old = remove(id)
            state.withLock { $0.kept += old }
        }
    }

    var summaries: [String: DaemonSummary] { state.withLock { $0.ended } }
}
