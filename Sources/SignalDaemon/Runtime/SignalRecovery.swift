import Dispatch
import SignalBridge

/// Notices that other code has installed a handler for a signal of the daemon's, and gets the signal back.
///
/// Against a handler it is enough to install the daemon's again. Dispatch is different. Each of its signal sources reads a
/// signalfd, which gets most of the signals whoever has the handler, and its handler passes on the others; but every source for
/// a signal is told of each. So where Dispatch has the handler, the daemon leaves it and has a source of its own: both are told
/// of everything. Where an older source takes a share beside the daemon's handler, the daemon has both.
///
/// What a source tells has no sender. Its queue is a serial one, for which Dispatch starts a thread although others are blocked.
final class SignalRecovery: Sendable {
    private struct State {
        var sources: [SignalNumber: any DispatchSourceSignal] = [:]
        /// Those that Dispatch has registered, so that they are told of signals.
        var registered: Set<SignalNumber> = []
        /// The handlers that are left to Dispatch.
        var accepted: [SignalNumber: UInt] = [:]
        /// When Dispatch sources are looked for, too. A source appears a little later than its handler.
        var deadline: Duration?
        /// From `search` to the end of `takeBack`, which may take its time. There is one at a time.
        var isTakingBack = false
        var hasEnded = false
    }
    private let state = Lock(State())

    /// When `search` must be called.
    var deadline: Duration? { state.withLock { $0.deadline } }

    func checkThoroughly(at time: Duration) { state.withLock { $0.deadline = time } }

    /// Returns which of the signals were stolen; `nil`: there is nothing to do. Else `takeBack` must follow. Makes few system
    /// calls, and blocks for nothing.
    func search(_ signals: Set<SignalNumber>, at now: Duration) -> Set<SignalNumber>? {
        let accepted = state.withLock { $0.accepted }
        let stolen = signals.filter { signal in
            signal.isDisplaced && (accepted[signal] == nil || accepted[signal] != handlerAddress(of: signal))
        }
        return state.withLock { state in
            let isDue = state.deadline.map { $0 <= now } ?? false
            if !stolen.isEmpty { state.deadline = now + .seconds(1) } else if isDue { state.deadline = nil }
            if state.isTakingBack || signals.isEmpty || (stolen.isEmpty && !isDue) { return nil }
            state.isTakingBack = true
            return stolen
        }
    }

    /// Gets the stolen signals back, and a share of those that an older Dispatch source takes. Calls `report` when that is done:
    /// with a source, that is later, when Dispatch has registered it. What came before went to the other source alone.
    func takeBack(
        _ stolen: Set<SignalNumber>, of signals: Set<SignalNumber>,
        report: @escaping @Sendable (DaemonTransition) -> Void, onSignal: @escaping @Sendable (SignalEvent) -> Void
    ) {
        defer { state.withLock { $0.isTakingBack = false } }
        let read = signalsReadByDescriptors()
        for signal in signals.sorted(by: { $0.rawValue < $1.rawValue }) {
            let isShared = read.contains(signal)
            let handler = handlerAddress(of: signal)
            if isShared, stolen.contains(signal), isPartOfDispatch(handler) {
                state.withLock { $0.accepted[signal] = handler }
            } else if stolen.contains(signal), (try? signal.rearm()) == nil {
                continue
            }
            if isShared, !hasSource(signal, report, onSignal) { continue }
            if stolen.contains(signal) { report(.tookBack(signal, isShared: isShared)) }
        }
    }

    /// Whether a source of the daemon's is told of the signal. If there is none, makes one, which reports when it is. It does not
    /// displace the handler, because the other source came first.
    private func hasSource(
        _ signal: SignalNumber, _ report: @escaping @Sendable (DaemonTransition) -> Void,
        _ onSignal: @escaping @Sendable (SignalEvent) -> Void
    ) -> Bool {
        state.withLock { state in
            if state.hasEnded || state.sources[signal] != nil { return state.registered.contains(signal) }
            let queue = DispatchQueue(label: "SignalDaemon", qos: .userInitiated)
            nonisolated(unsafe) let source = DispatchSource.makeSignalSource(signal: signal.rawValue, queue: queue)
            source.setEventHandler { onSignal(.withoutDetails(signal, count: Int(source.data))) }
            source.setRegistrationHandler { [weak self] in
                self?.state.withLock { _ = $0.registered.insert(signal) }
                report(.tookBack(signal, isShared: true))
            }
            source.activate()
            state.sources[signal] = source
            return false
        }
    }

    func end() {
        let sources = state.withLock { state in
            state.hasEnded = true
            state.registered = []
            defer { state.sources = [:] }
            return state.sources
        }
        for source in sources.values { source.cancel() }
    }
}
