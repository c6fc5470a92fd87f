import Dispatch
import SignalBridge

/// The status with which a process ends, as its parent sees it.
public enum DaemonExitStatus: Hashable, Sendable, CustomStringConvertible {
    /// An exit code.
    case code(Int32)
    /// Death by a signal.
    case signal(SignalNumber)

    /// Death by the signal; exit code 128 + signal if the default action of the signal does not terminate.
    init(after signal: SignalNumber) {
        self = signal.terminatesByDefault ? .signal(signal) : .code(128 &+ signal.rawValue)
    }

    /// A phrase such as "exit code 0" or "death by SIGINT".
    public var description: String {
        switch self {
        case .code(let code): "exit code \(code)"
        case .signal(let signal): "death by \(signal)"
        }
    }

    /// Ends the process after `last` and a flush of C's streams. Before an exit code, `atexit(3)` functions run too.
    /// All of that may block for ever, so it is limited to a second.
    func end(_ last: () -> Void = {}) -> Never {
        do throws(SignalBridgeError) {
            try startThread(mask: .all()) {
                _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .milliseconds(900))
                endImmediately()
            }
        } catch {
            endImmediately()  // better than to hang
        }
        last()
        if case .code(let code) = self { exitProcess(code) }
        flushStreams()
        endImmediately()
    }

    /// Ends the process at once. Nothing is flushed or run, and a signal leaves no core dump.
    func endImmediately() -> Never {
        switch self {
        case .code(let code): exitImmediately(code)
        case .signal(let signal):
            disableCoreDumps()
            try? signal.performDefaultAction()
            exitImmediately(128 &+ signal.rawValue)
        }
    }
}
