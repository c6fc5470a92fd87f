import SignalBridge

/// Adding, starting and ending work.
extension DaemonEngine {
    private static let refusal = SignalBridgeError(
        .shuttingDown, nil, "the daemon is shutting down, or its body was restarted; it takes no new work")

    // MARK: adding

    func add(
        _ name: String, _ kind: DaemonTask.Kind, _ style: ShutdownBehavior, _ endsDaemon: Bool, _ generation: Int,
        _ work: Work
    ) throws(SignalBridgeError) {
        let added = state.withLock { state in
            state.ladder.add(name, kind, style, endsDaemon: endsDaemon, generation: generation, at: now)
                .map { ($0, state.stop) }
        }
        guard let (id, stop) = added else { throw Self.refusal }
        switch work {
        case .task(let operation): startTask(id, operation)  // here, for the caller's task-local values
        case .thread(let operation):
            do throws(SignalBridgeError) {
                try startThread(id, operation, stop)
            } catch {
                feed { state, now in
                    state.cancel[id] = nil
                    return state.ladder.withdraw(id, at: now)
                }
                throw error
            }
        }
    }

    func addAction(_ name: String, _ generation: Int, _ work: Work) {
        feed { state, now in
            guard let (id, actions) = state.ladder.addAction(name, generation: generation, at: now) else { return [] }
            state.work[id] = work
            return actions
        }
    }

    func addHook(_ name: String, _ generation: Int, _ work: Work) -> Bool {
        var isAdded = false
        feed { state, now in
            guard let (id, actions) = state.ladder.addHook(name, generation: generation, at: now) else { return [] }
            state.work[id] = work
            isAdded = true
            return actions
        }
        return isAdded
    }

    func shield<Result: Sendable>(
        _ name: String, _ operation: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        guard let id = state.withLock({ $0.ladder.addShield(name, at: now) }) else { throw Self.refusal }
        let result = await Task { try await operation() }.result  // the caller's cancellation does not reach it
        switch result {
        case .success: ended(id, nil)
        case .failure(let error): ended(id, error)
        }
        return try result.get()
    }

    // MARK: starting

    /// Starts what the ladder says must start now.
    func start(_ id: Int, _ work: Work, _ stop: Latch) {
        switch work {
        case .task(let operation): launch.yield { [self] in startTask(id, operation) }
        case .thread(let operation):
            do throws(SignalBridgeError) {
                try startThread(id, operation, stop, callersMask)
            } catch {
                ended(id, error)
            }
        }
    }

    private func startTask(_ id: Int, _ operation: @escaping @Sendable () async throws -> Void) {
        let task = Task {
            do {
                try await operation()
                ended(id, nil)
            } catch {
                ended(id, error)
            }
        }
        attach(id) { task.cancel() }
    }

    private func startThread(
        _ id: Int, _ operation: @escaping @Sendable (StopToken) throws -> Void, _ stop: Latch,
        _ mask: SignalMask? = nil
    ) throws(SignalBridgeError) {
        let token = StopToken(stop: stop, cancel: Latch())
        attach(id) { token.cancel.open() }
        let body: @Sendable () throws -> Void = { try operation(token) }
        try SignalBridge.startThread(mask: mask) { [self] in
            do {
                if let simulator { try simulator.withSimulation(body) } else { try body() }
                ended(id, nil)
            } catch {
                ended(id, error)
            }
        }
    }

    /// Says how running work is cancelled. If that was asked for before, now is the time.
    func attach(_ id: Int, _ cancel: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            guard state.ladder.live[id] != nil else { return false }
            if state.ladder.isCancelled(id) { return true }
            state.cancel[id] = cancel
            return false
        }
        if isLate { cancel() }
    }

    func ended(_ id: Int, _ error: (any Error)?) {
        let dropped = state.withLock { $0.cancel.removeValue(forKey: id) }
        feed { state, now in state.ladder.ended(id, error, at: now) }
        _ = dropped
    }

    // MARK: what the program asks for

    func shutdown(_ cause: ShutdownReason = .requested) {
        feed { state, now in state.ladder.shutdown(cause, at: now) }
    }

    func stopGate(of generation: Int) -> Latch {
        state.withLock { state in
            if state.ladder.generation == generation { return state.stop }
            let open = Latch()
            open.open()
            return open
        }
    }

    func ready() {
        state.withLock { announcer.append(.datagram($0.notifier.ready())) }
        announcer.announce()
        simulator?.ready.open()
    }

    func status(_ text: String) {
        let line = String(text.map { $0.isNewline ? " " : $0 })  // a new line would be a new assignment
        announcer.append(.datagram("STATUS=\(line)"))
        announcer.announce()
    }

    // MARK: reload

    func reload() {
        feed { state, now in state.ladder.reload(at: now) }
    }

    /// The first configuration is there: goes on to the body, unless the daemon is ending.
    func loaded() throws {
        feed { state, now in state.ladder.loaded(at: now) }
        try goOn()
    }

    /// Between the steps of a reload. A `load` need not notice that it was cancelled.
    private func goOn() throws {
        if state.withLock({ $0.ladder.purpose == .shutdown || $0.ladder.isOver }) { throw CancellationError() }
    }

    func addReload(_ generation: Int, _ work: Work) throws(SignalBridgeError) {
        if policy.reload.isEmpty {
            throw SignalBridgeError(
                .noSignals, nil, "the policy names no signals that reload; give it one, such as SIGHUP")
        }
        let (id, subscribes) = try state.withLock { state throws(SignalBridgeError) in
            guard state.ladder.purpose == .none, state.ladder.generation == generation else { throw Self.refusal }
            let id = (state.reloadActions.last?.id ?? 0) + 1
            state.reloadActions.append((id, work))
            state.ladder.reloads.isPossible = true  // before the first signal can come
            defer { state.subscribesReload = true }
            return (id, !state.subscribesReload)
        }
        guard subscribes else { return }
        do throws(SignalBridgeError) {
            try subscribe(policy.reload)
        } catch {
            state.withLock { state in
                state.reloadActions.removeAll { $0.id == id }
                state.subscribesReload = false
                state.ladder.reloads.isPossible = false
            }
            throw error
        }
    }

    /// One reload: load, then the actions in their order, then apply. What throws first ends it.
    func reloadWork(_ actions: [Work]) -> Work {
        if program.body == nil {
            return .thread { [self] token in
                for case .thread(let action) in actions {
                    try goOn()
                    try action(token)
                }
            }
        }
        return .task { [self] in
            try await program.load?()
            for case .task(let action) in actions {
                try goOn()
                try await action()
            }
            try goOn()
            try await program.apply?()
        }
    }

    // MARK: the watchdog

    func setWatchdog(_ check: @escaping @Sendable () async -> Bool) {
        let old = state.withLock { state in
            if state.closes { return Optional(check) }
            defer { state.notifier.check = check }
            return state.notifier.check
        }
        _ = old  // released outside of the lock
    }

    /// Asked of a task, so that a daemon whose tasks do not run is found out.
    func ping() {
        guard program.body != nil else { return answerWatchdog(true) }
        let check = state.withLock { state in
            state.notifier.isAsking = true
            return state.notifier.check
        }
        launch.yield { [self] in
            Task { answerWatchdog(await check?() ?? true) }
        }
    }

    private func answerWatchdog(_ isWell: Bool) {
        state.withLock { state in
            state.notifier.isAsking = false
            if isWell { announcer.append(.datagram("WATCHDOG=1")) }
        }
        announcer.announce()
    }
}
