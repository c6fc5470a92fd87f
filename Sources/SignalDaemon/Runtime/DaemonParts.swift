import SignalBridge

/// The parts of a daemon that run, by id, and the reports of those that have ended.
final class DaemonParts: Sendable {
    private struct State {
        var running: [Int: (name: String, runtime: DaemonRuntime)] = [:]
        var ended: [String: DaemonSummary] = [:]
        /// The names of those that have ended, each once, in order.
        var names: [String] = []
    }
    /// A daemon may run for years, and name a part after what it serves.
    private static let maxReports = 1000
    private let state = Lock(State())

    func add(_ id: Int, _ name: String, _ part: DaemonRuntime) { state.withLock { $0.running[id] = (name, part) } }

    func end(_ id: Int) {
        let part = state.withLock { $0.running[id] }
        guard let part else { return }
        let summary = part.runtime.summary
        state.discard { state in
            let earlier = state.ended.updateValue(summary, forKey: part.name)  // its errors are the user's (R2)
            if earlier == nil { state.names.append(part.name) }
            let isFull = state.names.count > Self.maxReports
            let dropped = isFull ? state.ended.removeValue(forKey: state.names.removeFirst()) : nil
            return (earlier, dropped, state.running.removeValue(forKey: id))
        }
    }

    /// The process ends: what runs in the parts is abandoned.
    func abandon(_ reason: ForcedExitReason) {
        for (id, part) in state.withLock({ $0.running }) {
            part.runtime.abandon(reason)
            end(id)
        }
    }

    var summaries: [String: DaemonSummary] { state.withLock { $0.ended } }
}

/// The surroundings of a part: those of its daemon, except that it has no supervisor, and ends no process.
struct PartEnvironment: DaemonEnvironment {
    let outer: any DaemonEnvironment

    var isInline: Bool { outer.isInline }
    var now: Duration { outer.now }
    func resolve(_ supervisor: Supervisor) -> Supervisor { .disabled }
    func startMonitor(of runtime: DaemonRuntime) throws(SignalBridgeError) { try outer.startMonitor(of: runtime) }
    func stopMonitor(of runtime: DaemonRuntime) { outer.stopMonitor(of: runtime) }
    func startThread(_ body: @escaping @Sendable () -> Void) throws(SignalBridgeError) { try outer.startThread(body) }
    func forceExit(of runtime: DaemonRuntime, _ summary: DaemonSummary) {
        if !isInline { runtime.children.killAll() }
        runtime.requestClose()
    }
    func forPart() -> any DaemonEnvironment { outer.forPart() }
    func raise(_ signal: SignalNumber) {}
    func reportReady() {}
    func reportEnd() {}
}
