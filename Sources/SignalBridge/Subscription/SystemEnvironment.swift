import CSignalShim
import Dispatch

/// The process itself, with the signals that the kernel delivers to it.
final class SystemEnvironment: SignalEnvironment {
    var source: any SignalSource { SignalHub.shared }

    func source(on loop: SignalLoop) -> any SignalSource { loop }

    func makeWaitableSource() -> any WaitableSource { SignalHub() }

    func send(_ signal: SignalNumber, to target: SignalTarget, value: Int?) throws(SignalBridgeError) {
        let failure = sendSignal(signal.rawValue, to: target.processID, value: value)
        if failure == 0 { return }
        switch target {
        case .process(let id): throw .systemCall(value == nil ? "kill(\(id))" : "sigqueue(\(id))", signal, failure)
        case .group(let id): throw .systemCall("killpg(\(id))", signal, failure)
        }
    }

    func disposition(of signal: SignalNumber) throws(SignalBridgeError) -> SignalDisposition {
        switch Int(csigshim_disposition(signal.rawValue)) {
        case CSIGSHIM_DISPOSITION_DEFAULT: return .default
        case CSIGSHIM_DISPOSITION_IGNORED: return .ignore
        case CSIGSHIM_DISPOSITION_HANDLED: return .handler
        default: throw SignalBridgeError.refusing(signal) ?? .systemCall("sigaction", signal, Errno.last)
        }
    }

    func setDisposition(_ disposition: SignalDisposition, of signal: SignalNumber) throws(SignalBridgeError) {
        let raw = disposition == .ignore ? CSIGSHIM_DISPOSITION_IGNORED : CSIGSHIM_DISPOSITION_DEFAULT
        guard csigshim_set_disposition(signal.rawValue, Int32(raw)) != 0 else { return }
        let failure = Errno.last
        throw failure == Errno.busy ? .signalInUse(signal) : .systemCall("sigaction", signal, failure)
    }

    func performDefaultAction(of signal: SignalNumber) throws(SignalBridgeError) {
        if csigshim_take_default_action(signal.rawValue) == 0 { return }
        throw SignalBridgeError.refusing(signal) ?? .systemCall("sigaction", signal, Errno.last)
    }

    func rearm(_ signal: SignalNumber) throws(SignalBridgeError) {
        guard csigshim_rearm(signal.rawValue) != 0 else { return }
        let failure = Errno.last
        throw failure == Errno.notFound ? .nothingToRearm(signal) : .systemCall("sigaction", signal, failure)
    }

    func examine(_ signal: SignalNumber) throws(SignalBridgeError) -> SignalDiagnostics.Findings {
        let state = Int(csigshim_state(signal.rawValue))
        let isOverSignalfd = csigshim_mechanism(signal.rawValue) == Int32(CSIGSHIM_SIGNALFD)
        return SignalDiagnostics.Findings(
            isArmed: state == CSIGSHIM_ARMED,
            isDisplaced: state == CSIGSHIM_DISPLACED,
            isIgnored: csigshim_disposition(signal.rawValue) == Int32(CSIGSHIM_DISPOSITION_IGNORED),
            blockedThreads: threads { csigshim_blocked_threads(signal.rawValue, $0, $1) },
            unblockedThreads: threads { csigshim_unblocked_threads(signal.rawValue, $0, $1) },
            isOverSignalfd: isOverSignalfd,
            isBridgeClosed: !isOverSignalfd && SignalHub.shared.isClosedByHost)
    }

    private func threads(_ list: (UnsafeMutablePointer<pid_t>, Int) -> Int) -> [Int32] {
        var capacity = 64
        while true {
            var count = 0
            let threads = [pid_t](unsafeUninitializedCapacity: capacity) { buffer, initialized in
                count = max(0, list(buffer.baseAddress!, capacity))
                initialized = min(count, capacity)
            }
            if count <= capacity { return threads }
            capacity = count + 16  // new threads may start before the next attempt
        }
    }

    func block(on semaphore: DispatchSemaphore, timeout: Duration?) {
        guard let timeout else { return semaphore.wait() }
        _ = semaphore.wait(timeout: .now() + delay(timeout))
    }

    func schedule(after timeout: Duration, _ action: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        nonisolated(unsafe) let timer = DispatchSource.makeTimerSource(queue: .global())
        timer.setEventHandler(handler: action)
        timer.schedule(deadline: .now() + delay(timeout))
        timer.activate()
        return { timer.cancel() }
    }

    private func delay(_ timeout: Duration) -> DispatchTimeInterval {
        .nanoseconds(Int(max(.zero, min(timeout, .seconds(1 << 30))).roundedUpToMilliseconds * 1_000_000))
    }
}
