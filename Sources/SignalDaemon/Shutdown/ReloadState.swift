/// The state of reloads. They run one at a time, and requests during one lead to exactly one more. Reloads are
/// numbered, so that each request knows its own.
struct ReloadState {
    private enum Phase {
        /// The daemon has nothing to reload.
        case unavailable
        case idle
        /// A reload runs: from the request to its end, including a restart. At the start, until the first configuration
        /// is loaded.
        case running(again: Bool)
    }

    enum Answer {
        case unavailable
        case starts
        case queues
        /// Another reload follows anyway.
        case joins
    }

    private var phase: Phase
    /// The number of the last reload that started; 0 is the first configuration.
    private(set) var last = 0

    init(isLoading: Bool) { phase = isLoading ? .running(again: false) : .unavailable }

    var isUnavailable: Bool { if case .unavailable = phase { true } else { false } }

    /// The number of the last reload that was requested; `nil`: there are none.
    var requested: Int? {
        switch phase {
        case .unavailable: nil
        case .running(again: true): last + 1
        default: last
        }
    }

    mutating func request() -> Answer {
        switch phase {
        case .unavailable: return .unavailable
        case .idle:
            phase = .running(again: false)
            last += 1
            return .starts
        case .running(again: false):
            phase = .running(again: true)
            return .queues
        case .running: return .joins
        }
    }

    /// Whether another reload is to start.
    mutating func finish() -> Bool {
        guard case .running(let again) = phase else { return false }
        phase = .idle
        return again
    }

    mutating func allow(_ isAllowed: Bool) {
        switch (phase, isAllowed) {
        case (.unavailable, true): phase = .idle
        case (.idle, false): phase = .unavailable
        default: break
        }
    }
}
