import SignalBridge

/// Decides whether a signal is a new request or the same one again. A plain value; M7 in ShutdownStateMachine.swift.
///
/// timeout(1) signals its child and then the child's group. Launchers pass on a signal that the terminal sent to the
/// whole group. When a terminal closes, both the shell and the kernel send SIGHUP. The window counts from the last
/// request that had an effect, so that duplicates do not prolong it.
struct DuplicateFilter {
    private struct Request {
        let end: Duration
        let isHard: Bool
        var isKeyPress: Bool
    }
    private var request: Request?

    /// Whether the event repeats the last request. A hard exit after a graceful signal does not. Nor does a second key
    /// press, even if a launcher passes on the first or the second one.
    mutating func isDuplicate(_ event: SignalEvent, isHard: Bool) -> Bool {
        guard let request, event.time < request.end, request.isHard || !isHard else { return false }
        if !event.isKeyPress { return true }
        self.request?.isKeyPress = true
        return !request.isKeyPress
    }

    /// Records an event that has an effect, and starts the window for its duplicates.
    mutating func accept(_ event: SignalEvent, isHard: Bool, window: Duration) {
        request = Request(end: event.time + window, isHard: isHard, isKeyPress: event.isKeyPress)
    }
}

extension SignalEvent {
    fileprivate var time: Duration { .nanoseconds(Int64(clamping: monotonicNanoseconds)) }

    /// Whether a person pressed Ctrl-C or Ctrl-\ in the terminal.
    fileprivate var isKeyPress: Bool { cause == .kernel && (signal == .sigint || signal == .sigquit) }
}
