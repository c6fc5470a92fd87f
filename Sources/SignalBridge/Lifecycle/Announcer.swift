import Dispatch

/// Hands transitions to the user's closure, and datagrams to the supervisor, in order and one at a time.
///
/// On a thread of its own: the closure may hang, and the ladder must not. In a simulation, on the thread that made them
/// happen, after it has released its locks: so all is said when `send` and `advance` return.
final class Announcer: Sendable {
    enum Item {
        case transition(DaemonTransition)
        case datagram(String)
        case call(@Sendable () -> Void)
    }

    private struct State {
        var items: [Item] = []
        var isDraining = false
        var isStopped = false
    }
    private let state = Lock(State())
    private let bell: DispatchSemaphore?
    private let onTransition: (@Sendable (DaemonTransition) -> Void)?
    private let supervisor: Supervisor

    init(
        _ onTransition: (@Sendable (DaemonTransition) -> Void)?, _ supervisor: Supervisor, isInline: Bool
    ) throws(SignalBridgeError) {
        self.onTransition = onTransition
        self.supervisor = supervisor
        let isNeeded = onTransition != nil || supervisor.socket != nil
        bell = isInline || !isNeeded ? nil : DispatchSemaphore(value: 0)
        if let bell {
            try startThread(mask: .all()) { [self] in
                while true {
                    bell.wait()
                    drain()
                    if state.withLock({ $0.isStopped && $0.items.isEmpty }) { return }
                }
            }
        }
    }

    /// May be called under a lock: nothing runs here.
    func append(_ item: Item) {
        state.withLock { if !$0.isStopped { $0.items.append(item) } }
        bell?.signal()
    }

    /// After the caller's locks are released.
    func announce() {
        if bell == nil { drain() }
    }

    /// Blocks until all of this has been said, or the time is up.
    func flush(within time: DispatchTimeInterval) {
        let said = DispatchSemaphore(value: 0)
        append(.call { said.signal() })
        announce()
        _ = said.wait(timeout: .now() + time)
    }

    /// The thread ends when it has said everything.
    func stop() {
        state.withLock { $0.isStopped = true }
        bell?.signal()
    }

    /// One thread at a time; what others append, and what the closure itself causes, is its work too.
    private func drain() {
        let isMine = state.withLock { state in
            defer { state.isDraining = true }
            return !state.isDraining
        }
        guard isMine else { return }
        while let item = next() {
            switch item {
            case .transition(let transition): onTransition?(transition)
            case .datagram(let text):
                do throws(SignalBridgeError) {
                    try supervisor.send(text)
                } catch {
                    onTransition?(.notificationFailed(error))
                }
            case .call(let call): call()
            }
        }
    }

    private func next() -> Item? {
        state.withLock { state in
            if state.items.isEmpty {
                state.isDraining = false
                return nil
            }
            return state.items.removeFirst()
        }
    }
}
