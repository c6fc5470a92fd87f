import Dispatch
import SignalBridge

/// Notices that other code has installed a handler for a signal of the daemon's, and takes the signal back.
///
/// That is enough against a handler. A Dispatch source also reads the signal from a signalfd, and gets most of them whoever has the
/// handler; but every source for a signal is told of each. So the daemon then has a source of its own as well. What that tells
/// has no sender, and comes only while Dispatch has a thread for it.
final class SignalRecovery: Sendable {
    private struct State {
        var sources: [SignalNumber: any DispatchSourceSignal] = [:]
        var hasEnded = false
        /// When Dispatch sources are looked for, too. A source appears a little later than its handler.
        var deadline: Duration?
    }
    private let state = Lock(State())

    /// When `check` must be called.
    var deadline: Duration? { state.withLock { $0.deadline } }

    func checkThoroughly(at time: Duration) { state.withLock { $0.deadline = time } }

    /// Looks at each signal, on the monitor thread. Returns what was found.
    func check(
        _ signals: Set<SignalNumber>, at now: Duration, onSignal: @escaping @Sendable (SignalEvent) -> Void
    ) -> [DaemonTransition] {
        let displaced = signals.filter { $0.isDisplaced && (try? $0.rearm()) != nil }
        let isDue = state.withLock { state in
            let isDue = state.deadline.map { $0 <= now } ?? false
            if !displaced.isEmpty { state.deadline = now + .seconds(1) } else if isDue { state.deadline = nil }
            return isDue
        }
        if signals.isEmpty || (displaced.isEmpty && !isDue) { return [] }
        let read = signalsReadByDescriptors()
        return signals.sorted { $0.rawValue < $1.rawValue }.compactMap { signal in
            let isShared = read.contains(signal)
            let isNew = isShared && addSource(signal, onSignal)
            return isNew || displaced.contains(signal) ? .tookBack(signal, isShared: isShared) : nil
        }
    }

    /// Returns `false` if there is one. It does not displace the handler, because the other source came first.
    private func addSource(_ signal: SignalNumber, _ onSignal: @escaping @Sendable (SignalEvent) -> Void) -> Bool {
        state.withLock { state in
            if state.hasEnded || state.sources[signal] != nil { return false }
            nonisolated(unsafe) let source = DispatchSource.makeSignalSource(signal: signal.rawValue, queue: .global())
            source.setEventHandler { onSignal(.withoutDetails(signal, count: Int(source.data))) }
            source.activate()
            state.sources[signal] = source
            return true
        }
    }

    func end() {
        let sources = state.withLock { state in
            state.hasEnded = true
            defer { state.sources = [:] }
            return state.sources
        }
        for source in sources.values { source.cancel() }
    }
}
