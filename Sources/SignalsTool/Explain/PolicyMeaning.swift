import SignalBridge
import SignalDaemon

/// The meaning of a signal in a policy of SignalDaemon. The raw values are keys of the output for programs.
enum PolicyMeaning: String, Sendable {
    case graceful, hardExit, reload, untouched

    init(of signal: SignalNumber, in policy: SignalPolicy) {
        self =
            policy.graceful.contains(signal)
            ? .graceful
            : policy.hardExit.contains(signal) ? .hardExit : policy.reload.contains(signal) ? .reload : .untouched
    }

    /// The policies in the order in which they are shown.
    static let policies: [(name: String, policy: SignalPolicy)] = [
        ("server", .server), ("commandLine", .commandLine), ("docker", .docker), ("nginx", .nginx), ("apache", .apache),
        ("gunicorn", .gunicorn), ("uwsgi", .uwsgi),
    ]

    var words: String {
        switch self {
        case .graceful: "ends gracefully"
        case .hardExit: "ends at once"
        case .reload: "reloads"
        case .untouched: "leaves it alone"
        }
    }
}
