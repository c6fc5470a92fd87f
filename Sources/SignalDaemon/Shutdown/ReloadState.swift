/// Reloads, one at a time: requests during one lead to exactly one more.
enum ReloadState {
    /// The daemon has nothing to reload.
    case unavailable
    case idle
    /// From the request until all is done, a restart included; at the start, until the first configuration is there.
    case running(again: Bool)

    enum Answer {
        case unavailable
        case starts
        case queues
        /// Another reload follows anyway.
        case joins
    }

    mutating func request() -> Answer {
        switch self {
        case .unavailable: return .unavailable
        case .idle:
            self = .running(again: false)
            return .starts
        case .running(again: false):
            self = .running(again: true)
            return .queues
        case .running: return .joins
        }
    }

    /// Whether another reload is to start.
    mutating func finish() -> Bool {
        guard case .running(let again) = self else { return false }
        self = .idle
        return again
    }

    mutating func allow(_ isAllowed: Bool) {
        switch (self, isAllowed) {
        case (.unavailable, true): self = .idle
        case (.idle, false): self = .unavailable
        default: break
        }
    }
}
