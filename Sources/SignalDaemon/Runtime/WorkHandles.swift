import SignalBridge

/// The closures and latches of a runtime's work, by id. A plain value.
struct WorkHandles: Sendable {
    /// Registered work that has not started yet.
    private var registered: [Int: @Sendable () async throws -> Void] = [:]
    /// Closures that cancel running work.
    private var cancellations: [Int: @Sendable () -> Void] = [:]
    /// Latches that open when the shutdown reaches work that comes after other work.
    private var latches: [Int: Latch] = [:]

    mutating func register(_ id: Int, _ work: @escaping @Sendable () async throws -> Void) { registered[id] = work }
    mutating func takeRegistered(_ id: Int) -> (@Sendable () async throws -> Void)? {
        registered.removeValue(forKey: id)
    }

    func cancellation(of id: Int) -> (@Sendable () -> Void)? { cancellations[id] }
    mutating func attach(_ id: Int, _ cancel: @escaping @Sendable () -> Void) { cancellations[id] = cancel }

    func latch(of id: Int) -> Latch? { latches[id] }

    mutating func makeLatch(for id: Int) -> Latch {
        let latch = Latch()
        latches[id] = latch
        return latch
    }

    /// Removes ended work. The caller releases the result outside of its locks.
    mutating func remove(_ id: Int) -> (@Sendable () -> Void)? {
        latches[id] = nil
        return cancellations.removeValue(forKey: id)
    }
}
