import SignalBridge
import Dispatch

/// Hands transitions to the user's closure, and datagrams to the supervisor, in order. The closure may be slow, or hang: so
/// many items wait for it, and what comes then is only counted.
final class Announcer: Sendable {
    enum Item: Sendable {
        case transition(DaemonTransition)
        case datagram(String)
        case call(@Sendable () -> Void)

        /// Said in any case.
        var isLast: Bool {
            switch self {
            case .transition(.finished), .transition(.forced): true
            default: false
            }
        }
    }

    private struct Backlog {
        var waiting = 0
        var dropped = 0
    }
    private static let limit = 10_000
    private let backlog: Lock<Backlog>
    private let runner: SerialRunner<Item>
    private let hasListener: Bool
    private let hasSupervisor: Bool

    /// A thread only if there is somebody to tell.
    init(
        _ onTransition: (@Sendable (DaemonTransition) -> Void)?, _ supervisor: Supervisor, isInline: Bool
    ) throws(SignalBridgeError) {
        hasListener = onTransition != nil
        hasSupervisor = supervisor.socket != nil
        let backlog = Lock(Backlog())
        self.backlog = backlog
        runner = try SerialRunner(isInline: isInline || !(hasListener || hasSupervisor)) { item in
            switch item {
            case .transition(let transition):
                backlog.withLock { $0.waiting -= 1 }
                onTransition?(transition)
            case .datagram(let text):
                backlog.withLock { $0.waiting -= 1 }
                do throws(SignalBridgeError) {
                    try supervisor.send(text)
                } catch {
                    onTransition?(.notificationFailed(error))
                }
            case .call(let call): call()
            }
        }
    }

    /// May be called under a lock.
    func append(_ item: Item) {
        switch item {
        case .transition: if !hasListener { return }
        case .datagram: if !hasSupervisor { return }
        case .call: return runner.append(item)
        }
        let (isFull, dropped) = backlog.withLock { backlog in
            if backlog.waiting >= Self.limit, !item.isLast {
                backlog.dropped += 1
                return (true, 0)
            }
            defer { backlog.dropped = 0 }
            backlog.waiting += backlog.dropped > 0 ? 2 : 1
            return (false, backlog.dropped)
        }
        if isFull { return }
        if dropped > 0 { runner.append(.transition(.dropped(dropped))) }
        runner.append(item)
    }

    /// When the locks are released.
    func announce(waits: Bool = false) {
        runner.runIfInline(waits: waits)
    }

    /// Blocks until all of this has been said, or the time is up.
    func flush(within time: DispatchTimeInterval) {
        let said = DispatchSemaphore(value: 0)
        append(.call { said.signal() })
        announce()
        _ = said.wait(timeout: .now() + time)
    }

    func stop() {
        runner.stop()
    }
}
