import Dispatch
import SignalBridge

/// Detects that other code has installed a handler for a signal of the daemon, and recovers the signal.
///
/// For most handlers, the daemon installs its own again. Dispatch is different. Each of its signal sources reads a
/// signalfd, which gets most of the signals, whatever handler is installed. Dispatch's handler passes on the others,
/// and every source for a signal gets each of them. So if Dispatch has the handler, the daemon leaves it installed and
/// makes its own source: both get all signals. If an older source takes a share beside the daemon's handler, the daemon
/// has both.
///
/// An event from a source has no sender. The source's queue is a serial one, for which Dispatch starts a thread
/// although others are blocked.
final class SignalRecovery: Sendable {
    private struct State {
        var sources: [SignalNumber: any DispatchSourceSignal] = [:]
        /// The sources that Dispatch has registered, so that they get signals.
        var registered: Set<SignalNumber> = []
        /// The signals whose handler is left to Dispatch.
        var accepted: [SignalNumber: UInt] = [:]
        /// The time at which to search for Dispatch sources, too. A source appears a little later than its handler.
        var deadline: Duration?
        /// Whether a recovery is running, from `search` to the end of `takeBack`, which may take long. Only one runs at
        /// a time.
        var isTakingBack = false
        var hasEnded = false
    }
    private let state = Lock(State())

    /// The time at which `search` must be called.
    var deadline: Duration? { state.withLock { $0.deadline } }

    func checkThoroughly(at time: Duration) { state.withLock { $0.deadline = time } }

    /// Returns the signals that other code has taken. `nil`: there is nothing to do; otherwise `takeBack` must follow.
    /// Makes few system calls, and never blocks.
    func search(_ signals: Set<SignalNumber>, at now: Duration) -> Set<SignalNumber>? {
        let accepted = state.withLock { $0.accepted }
        let displaced = signals.filter { signal in
            signal.isDisplaced && (accepted[signal] == nil || accepted[signal] != handlerAddress(of: signal))
        }
        return state.withLock { state in
            let isDue = state.deadline.map { $0 <= now } ?? false
            if !displaced.isEmpty { state.deadline = now + .seconds(1) } else if isDue { state.deadline = nil }
            if state.isTakingBack || signals.isEmpty || (displaced.isEmpty && !isDue) { return nil }
            state.isTakingBack = true
            return displaced
        }
    }

    /// Recovers the taken signals, and shares those that an older Dispatch source takes. Calls `report` afterwards;
    /// with a source, that is when Dispatch has registered it. Earlier signals went only to the other source.
    func takeBack(
        _ displaced: Set<SignalNumber>, of signals: Set<SignalNumber>,
        report: @escaping @Sendable (DaemonTransition) -> Void, onSignal: @escaping @Sendable (SignalEvent) -> Void
    ) {
        defer { state.withLock { $0.isTakingBack = false } }
        let read = signalsReadByDescriptors()
        for signal in signals.sorted(by: { $0.rawValue < $1.rawValue }) {
            let isShared = read.contains(signal)
            let handler = handlerAddress(of: signal)
            if isShared, displaced.contains(signal), isPartOfDispatch(handler) {
                state.withLock { $0.accepted[signal] = handler }
            } else if displaced.contains(signal), (try? signal.rearm()) == nil {
                continue
            }
            if isShared, !hasSource(signal, report, onSignal) { continue }
            if displaced.contains(signal) { report(.tookBack(signal, isShared: isShared)) }
        }
    }

    /// Whether a source of the daemon gets the signal. If there is none, makes one, which reports when Dispatch has
    /// registered it. It does not displace the handler, because the other source came first.
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
            return exchange(&state.sources, with: [:])
        }
        for source in sources.values { source.cancel() }
    }
}
