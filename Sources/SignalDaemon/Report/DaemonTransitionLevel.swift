extension DaemonTransition {
    /// The importance of a transition, in the terms of swift-log and syslog.
    public enum Level: String, Hashable, Sendable, CaseIterable {
        case debug, info, notice, warning, error, critical
    }

    /// The importance of this transition.
    ///
    /// | level | what happened |
    /// |---|---|
    /// | critical | the process is forced to end |
    /// | error | work, a reload or a notification failed |
    /// | warning | something is late, was dropped, or was taken by other code |
    /// | notice | the daemon starts, gets a request to end or to reload, or ends |
    /// | info | the steps in between |
    /// | debug | work ended without an error; duplicates |
    public var level: Level {
        switch self {
        case .forced: .critical
        case .reloadFailed, .notificationFailed: .error
        case .cleanupTimedOut, .cleanupOverran, .restartWaits, .waiting, .dropped, .tookBack: .warning
        case .received(_, .duplicate): .debug
        case .received(_, .forcedExit), .received(_, .escalated): .warning
        case .started, .received, .reloaded, .finished, .leftIgnored: .notice
        case .entered, .reloading: .info
        case .ended(let task):
            switch task.outcome {
            case .failed: .error
            case .abandoned: .critical
            default: task.countsAsFailure ? .error : .debug
            }
        case .part(_, let transition): transition.level
        }
    }

    /// The transition as fields of a log entry: "event", and those that the event has of "signal", "sender", "effect",
    /// "phase", "reason", "work", "kind", "outcome", "error", "count", "status", "part".
    public var metadata: [String: String] {
        switch self {
        case .started: ["event": "started"]
        case .received(let event, let response):
            [
                "event": "received", "signal": event.signal.name, "effect": "\(response)",
                "sender": event.sender.map { "\($0)" } ?? "\(event.cause)",
            ]
        case .entered(let phase, let reason): ["event": "entered", "phase": "\(phase)", "reason": "\(reason)"]
        case .ended(let task):
            ["event": "ended", "work": task.name, "kind": task.kind.rawValue, "outcome": "\(task.outcome)"]
        case .cleanupOverran(let name): ["event": "cleanupOverran", "work": name]
        case .cleanupTimedOut(let name): ["event": "cleanupTimedOut", "work": name]
        case .waiting(let names): ["event": "waiting", "work": names.joined(separator: ", ")]
        case .leftIgnored(let signals): ["event": "leftIgnored", "signal": signals.map(\.name).joined(separator: ", ")]
        case .tookBack(let signal, let isShared):
            ["event": "tookBack", "signal": signal.name, "effect": isShared ? "shared" : "taken back"]
        case .part(let name, let transition):
            transition.metadata.merging(["part": name]) { inner, _ in "\(name).\(inner)" }
        case .reloading: ["event": "reloading"]
        case .reloaded: ["event": "reloaded"]
        case .reloadFailed(let error): ["event": "reloadFailed", "error": "\(error)"]
        case .restartWaits(let names): ["event": "restartWaits", "work": names.joined(separator: ", ")]
        case .notificationFailed(let error): ["event": "notificationFailed", "error": "\(error)"]
        case .dropped(let count): ["event": "dropped", "count": "\(count)"]
        case .forced(let reason, let names):
            ["event": "forced", "reason": "\(reason)", "work": names.joined(separator: ", ")]
        case .finished(let status): ["event": "finished", "status": "\(status)"]
        }
    }
}
