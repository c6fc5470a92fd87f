import SignalBridge

/// The requests of a body and its work to their daemon. A request of a body that a restart has replaced is refused.
struct DaemonRequests: Sendable {
    private static let refusal = SignalBridgeError(
        .shuttingDown, nil, "the daemon is shutting down, or its body was restarted; it takes no new work")

    let runtime: DaemonRuntime
    let generation: Int

    // MARK: work

    func add(
        _ item: WorkTable.Item, _ operation: @escaping @Sendable () async throws -> Void
    ) throws(SignalBridgeError) {
        let (id, latch) = try add(item)
        // Made here, so that it has the caller's task-local values.
        runtime.launcher.startTaskHere(id, of: runtime, context(latch), operation)
    }

    func addThread(
        _ item: WorkTable.Item, _ operation: @escaping @Sendable (StopToken) throws -> Void
    ) throws(SignalBridgeError) {
        let (id, latch) = try add(item)
        do throws(SignalBridgeError) {
            try runtime.launcher.startThread(
                id, of: runtime, context(latch), stop: latch ?? shutdownLatch, in: runtime.environment, operation)
        } catch {
            withdraw(id)
            throw error
        }
    }

    /// Adds a daemon inside this one, and runs its body as work of this daemon.
    func addPart(
        _ item: WorkTable.Item, of daemon: Daemon, _ body: @escaping @Sendable (Daemon) async throws -> Void
    ) throws(SignalBridgeError) -> DaemonRuntime {
        let (id, latch) = try add(item)
        let part: DaemonRuntime
        do throws(SignalBridgeError) {
            part = try runtime.makePart(item.name, of: daemon, DaemonProgram(body: body))
        } catch {
            withdraw(id)
            throw error
        }
        let parts = runtime.parts
        guard parts.add(id, item.name, part) else {
            part.requestClose()
            withdraw(id)
            throw Self.refusal
        }
        part.begin()
        let told = latch ?? shutdownLatch
        runtime.launcher.startTaskHere(id, of: runtime, context(latch)) {
            let forget = told.onOpen { part.shutdown() }
            defer { forget() }
            await part.run()
            parts.end(id)
            try part.summary.throwFailure()
        }
        return part
    }

    private func add(_ item: WorkTable.Item) throws(SignalBridgeError) -> (id: Int, latch: Latch?) {
        try runtime.state.withLock { state throws(SignalBridgeError) in
            if state.machine.work.isCycle(item.name, after: item.after) {
                throw SignalBridgeError(
                    .invalidArgument, nil, "\(item.name) after \(item.after ?? "") would wait for itself")
            }
            guard let id = state.machine.add(item, generation: generation, at: runtime.environment.now) else {
                throw Self.refusal
            }
            return (id, item.after == nil ? nil : state.handles.makeLatch(for: id))
        }
    }

    private func withdraw(_ id: Int) {
        runtime.process { state, now in
            runtime.workers.perform { [old = state.handles.remove(id)] in _ = old }
            return state.machine.withdraw(id, at: now)
        }
    }

    /// Registers an action or a clean-up. Returns `false` if it will not run.
    func register(
        _ kind: DaemonTask.Kind, _ name: String, within limit: Duration? = nil,
        _ work: @escaping @Sendable () async throws -> Void
    ) -> Bool {
        var isAdded = false
        runtime.process { state, now in
            let limit = limit.map { min($0, .seconds(1 << 40)) }  // so that their sum does not overflow
            let added = state.machine.register(kind, name, within: limit, generation: generation, at: now)
            guard let (id, actions) = added else { return [] }
            state.handles.register(id, work)
            isAdded = true
            return actions
        }
        return isAdded
    }

    /// Adds work that the caller runs, even during a shutdown; `ended` of the runtime follows.
    func addShield(_ name: String) throws(SignalBridgeError) -> Int {
        let id = runtime.state.withLock { $0.machine.addShield(name, at: runtime.environment.now) }
        guard let id else { throw Self.refusal }
        return id
    }

    var running: [RunningWork] { runtime.state.withLock { $0.machine.work.list(at: runtime.environment.now) } }

    private func context(_ latch: Latch?) -> WorkContext {
        WorkContext(daemon: Daemon(runtime, generation: generation), latch: latch)
    }

    // MARK: shutdown

    /// A latch that opens when a shutdown is requested.
    var shutdownLatch: Latch { runtime.state.withLock { $0.latch(of: generation) } }

    /// A latch that opens when the shutdown reaches the calling work.
    var ownLatch: Latch {
        guard let context = WorkContext.current, let latch = context.latch, context.daemon.isOf(runtime) else {
            return shutdownLatch
        }
        return latch
    }

    // MARK: reload

    /// Requests a reload. The result is set when the reload has ended.
    func reload() throws(SignalBridgeError) -> ReloadRequest {
        var request: ReloadRequest?
        runtime.process { state, now in
            guard let (number, actions) = state.machine.reload(at: now) else { return [] }
            request = state.reloadRequests.add(number)
            return actions
        }
        if let request { return request }
        if runtime.state.withLock({ $0.isEnding }) { throw Self.refusal }
        throw SignalBridgeError(.invalidArgument, nil, "the daemon has nothing to reload; call onReload first")
    }

    /// Subscribes to the reload signals, if no other call has. Two calls at once both return when that is done.
    func addReload(_ action: @escaping @Sendable () async throws -> Void) throws(SignalBridgeError) {
        let (signals, id) = try runtime.state.withLock { state throws(SignalBridgeError) in
            guard let signals = state.signals, state.machine.takesWork(of: generation) else { throw Self.refusal }
            try signals.checkReload()
            let id = state.reloadActions.add(action)
            state.machine.allowReloads(true)  // before the first signal can come
            return (signals, id)
        }
        do throws(SignalBridgeError) {
            try signals.subscribeToReload()
        } catch {
            runtime.state.withLock { state in
                state.reloadActions.remove(id)
                state.machine.allowReloads(!state.reloadActions.isEmpty || state.program.load != nil)
            }
            throw error
        }
    }

    // MARK: signals

    /// Throws if the policy gives the signal a meaning.
    func checkIsFree(_ signal: SignalNumber) throws(SignalBridgeError) {
        try runtime.state.withLock { state throws(SignalBridgeError) in try state.signals?.checkIsFree(signal) }
    }

    /// Subscribes to a signal until the daemon or this body ends.
    func addSignalAction(
        _ signal: SignalNumber, _ action: @escaping @Sendable (SignalEvent) async -> Void
    ) throws(SignalBridgeError) {
        let added = try SignalAction(signal, action)
        let (isKept, silent): (Bool, SignalAction?) = runtime.state.withLock { state in
            if state.isClosing || state.machine.generation != generation { return (false, nil) }
            state.signalActions.append(added)
            return (true, state.silentActions.removeValue(forKey: signal))
        }
        silent?.drop()
        if isKept { return }
        added.end()
        throw Self.refusal
    }

    // MARK: supervisor

    func notifyReady() {
        notify { $0.reportReady() }
        runtime.environment.reportReady()
        if !runtime.environment.isInline { runtime.waiter?.wake() }  // to look for displaced signals
    }

    /// Notifies the supervisor, unless the daemon has ended.
    func notify(_ report: (SupervisorNotifier) -> Void) {
        runtime.state.withLock { state in
            if state.machine.generation == generation, !state.isClosing { report(runtime.workers.supervisor) }
        }
        runtime.workers.runInline()
    }
}
