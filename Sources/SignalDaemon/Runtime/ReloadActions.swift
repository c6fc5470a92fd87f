/// The actions of ``Daemon/onReload(_:)``, in the order of registration. A plain value.
struct ReloadActions: Sendable {
    typealias Action = @Sendable () async throws -> Void

    private var actions: [(id: Int, action: Action)] = []

    var isEmpty: Bool { actions.isEmpty }

    mutating func add(_ action: @escaping Action) -> Int {
        let id = (actions.last?.id ?? 0) + 1
        actions.append((id, action))
        return id
    }

    mutating func remove(_ id: Int) { actions.removeAll { $0.id == id } }

    /// Runs one reload: load, then the actions, then apply. The first error ends it.
    ///
    /// - Parameter check: throws if the daemon is ending.
    func work(of program: DaemonProgram, check: @escaping @Sendable () throws -> Void) -> Action {
        { [actions] in
            try await program.load?()
            for (_, action) in actions {
                try check()
                try await action()
            }
            try check()
            try await program.apply?()
        }
    }
}
