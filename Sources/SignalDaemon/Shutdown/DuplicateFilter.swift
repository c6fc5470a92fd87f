import SignalBridge

/// Tells a request that arrives twice from two requests. A plain value; M7 in ShutdownStateMachine.swift.
///
/// timeout(1) signals its child and then the child's group, launchers pass on what the terminal sent to all, and a closing terminal
/// is told of by the shell and by the kernel. The time of a duplicate counts from the last request that had an effect, so that
/// duplicates do not prolong it.
struct DuplicateFilter {
    private struct Request {
        let end: Duration
        let isHard: Bool
        var isKeyPress: Bool
    }
    private var request: Request?

    /// Whether the event says once more what the last request said. A hard exit after a graceful signal says something else. So
    /// does a second key press; a launcher may have passed on the first one, or may do that with the second.
    mutating func isDuplicate(_ event: SignalEvent, isHard: Bool) -> Bool {
        guard let request, event.time < request.end, request.isHard || !isHard else { return false }
        if !event.isKeyPress { return true }
        self.request?.isKeyPress = true
        return !request.isKeyPress
    }

    /// The event has an effect, and duplicates of it may come for so long.
    mutating func accept(_ event: SignalEvent, isHard: Bool, window: Duration) {
        request = Request(end: event.time + window, isHard: isHard, isKeyPress: event.isKeyPress)
    }
}

extension SignalEvent {
    fileprivate var time: Duration { .nanoseconds(Int64(clamping: monotonicNanoseconds)) }

    /// Whether a person pressed Ctrl-C or Ctrl-\ in the terminal.
    fileprivate var isKeyPress: Bool { cause == .kernel && (signal == .sigint || signal == .sigquit) }
}
