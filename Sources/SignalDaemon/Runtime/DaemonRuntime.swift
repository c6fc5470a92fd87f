// Carries out the decisions of the state machine, in the order of a daemon's life: start, input, work, requests, end.
//
// R1  One lock holds the state machine and what runs. Every input (a signal, a deadline, work that ended, a call of the
//     user's) goes into the machine under it, and the actions that come out happen in their order.
// R2  No code of the user's runs or is released under the lock, or on the monitor thread. Cancelling a task, opening a latch
//     and releasing a closure may run such code: the effects worker does that, on its own thread (StuckCodeTests).
// R3  Effects may come late, and tolerate it: work that was cancelled before it was attached is cancelled when it is.
// R4  The daemon closes once: dispositions are restored, and what was the user's is released, although the user may keep the
//     `Daemon`.
//
// Lock order: runtime, then a part's runtime, then the waiter's, a worker's or a latch's.
import Dispatch
import SignalBridge

final class DaemonRuntime: Sendable {
    private typealias Action = ShutdownStateMachine.Action

    private struct State {
        var machine: ShutdownStateMachine
        var program = DaemonProgram()
        /// `nil`: closed.
        var signals: DaemonSignals?
        var handles = WorkHandles()
        /// Opens when the shutdown of this generation is requested.
        var shutdownLatch = Latch()
        var reloadActions = ReloadActions()
        var reloadRequests = ReloadRequests()
        var signalActions: [SignalAction] = []
        /// Before that, signals wait: the start is reported before what ends it.
        var hasStarted = false
        var isClosing = false
        var reportDeadline: Duration?
        /// When it is reported what the shutdown waits for.
        var waitingDeadline: Duration?
        /// When stolen signals are looked for.
        var checkDeadline: Duration?
    }

    private static let refusal = SignalBridgeError(
        .shuttingDown, nil, "the daemon is shutting down, or its body was restarted; it takes no new work")
    private static let waitingInterval = Duration.seconds(5)

    private let environment: any DaemonEnvironment
    private let policy: SignalPolicy
    /// The daemon that this one is a part of.
    let outer: Daemon?
    private let state: Lock<State>
    let workers: DaemonWorkers
    let children = AdoptedChildren()
    let finalActions = FinalActions()
    private let parts = DaemonParts()
    private let recovery = SignalRecovery()
    private let launcher = WorkLauncher()
    private let closed = DispatchSemaphore(value: 0)

    // MARK: start

    init(
        _ policy: SignalPolicy, _ supervisor: Supervisor, _ program: DaemonProgram,
        _ onTransition: (@Sendable (DaemonTransition) -> Void)?,
        in environment: any DaemonEnvironment = makeEnvironment(),
        outer: Daemon? = nil
    ) throws(SignalBridgeError) {
        self.environment = environment
        self.policy = policy
        self.outer = outer
        var signals = DaemonSignals(policy)
        let now = environment.now
        workers = try DaemonWorkers(
            onTransition, environment.resolve(supervisor), at: now, isInline: environment.isInline)
        let machine = ShutdownStateMachine(
            policy, loads: program.load != nil, restarts: program.restartsOnReload, at: now)
        state = Lock(State(machine: machine, program: program, signals: signals))
        do throws(SignalBridgeError) {
            try signals.subscribeToEnd(hasBackstop: !environment.isInline)
            if program.load != nil { try signals.subscribeToReload() }
            if let early = program.early {
                signals.takeOver(early)
                state.withLock { $0.signals = signals }
            }
            try environment.startMonitor(of: self)
        } catch {
            close()
            throw error
        }
    }

    /// Runs the body as a task, and returns when everything has ended.
    func run() async {
        let launching = launcher.begin()
        begin()
        if state.withLock({ $0.program.body != nil }) {
            launcher.startTaskHere(0, of: self, context(), body(generation: 0))
        }
        await withTaskCancellationHandler {
            await launching.value
        } onCancel: {
            shutdown(.cancelled)
        }
    }

    private func body(generation: Int) -> @Sendable () async throws -> Void {
        { [self] in
            let body = state.withLock { $0.program.body }
            try await body?(Daemon(self, generation: generation))
        }
    }

    /// Runs the body on the calling thread, and returns when everything has ended.
    func runBlocking(_ body: () throws -> Void) {
        _ = launcher.begin()
        begin()
        do {
            try WorkContext.$current.withValue(context()) { try body() }
            ended(0, nil)
        } catch {
            ended(0, error)
        }
        closed.wait()
    }

    private func begin() {
        process { state, now in
            state.hasStarted = true
            state.checkDeadline = environment.isInline ? nil : now + .seconds(1)
            let ignored = state.signals?.waiter.signalsLeftIgnored.sorted { $0.rawValue < $1.rawValue } ?? []
            return (ignored.isEmpty ? [] : [.announce(.leftIgnored(ignored))])
                + (state.program.load == nil ? [.announce(.started)] : [])
        }
        if environment.isInline { poll() } else { waiter?.wake() }  // what came before
    }

    // MARK: input

    var waiter: SignalWaiter? { state.withLock { $0.signals?.waiter } }
    var isClosing: Bool { state.withLock { $0.isClosing } }
    var deadline: Duration? { state.withLock { deadline(of: $0) } }
    var leavesSignals: Bool { state.withLock { !$0.hasStarted || $0.machine.isOver } }

    private func deadline(of state: State) -> Duration? {
        if state.isClosing || !state.hasStarted { return nil }
        let own = [state.reportDeadline, state.waitingDeadline, state.checkDeadline, workers.deadline]
        return (own + [state.machine.deadline, workers.supervisor.deadline]).compactMap { $0 }.min()
    }

    var summary: DaemonSummary {
        var summary = state.withLock { $0.machine.summary }
        summary.parts = parts.summaries
        return summary
    }

    /// Takes the signals that are there, and looks at the clock.
    func poll(waits: Bool = false) {
        if !environment.isInline { checkSignals() }
        process(waits: waits) { state, now in
            if !state.hasStarted { return [] }
            var actions: [Action] = []
            while !state.machine.isOver, let event = state.signals?.take() {
                for _ in 0..<min(event.count, 3) { actions += state.machine.receive(event, at: now) }
            }
            return actions + state.machine.tick(at: now)
        }
    }

    /// Takes back the signals for which other code has installed a handler.
    private func checkSignals() {
        let (signals, isDue) = state.withLock { state in
            let isDue = state.checkDeadline.map { $0 <= environment.now } ?? false
            if isDue { state.checkDeadline = nil }
            return (state.isClosing ? nil : state.signals?.waiter.signals, isDue)
        }
        guard let signals else { return }
        let found = recovery.check(signals, thoroughly: isDue) { [weak self] in self?.receive($0) }
        if found.isEmpty { return }
        for transition in found { workers.report(transition) }
        state.withLock { $0.checkDeadline = environment.now + .seconds(1) }  // a source appears a little later than its handler
    }

    /// A signal that came another way than by the waiter.
    private func receive(_ event: SignalEvent) { process { state, now in state.machine.receive(event, at: now) } }

    /// Puts an input into the state machine, and carries out what comes out (R1, R2).
    private func process(waits: Bool = false, _ input: (inout State, Duration) -> [Action]) {
        let (last, isEarlier, dropped, waiter) = state.withLock { state in
            let now = environment.now
            let before = deadline(of: state) ?? .seconds(1 << 41)
            let last = input(&state, now).compactMap { perform($0, &state, at: now) } + timers(&state, at: now)
            let isEarlier = deadline(of: state).map { $0 < before } ?? false
            return (last, isEarlier, state.machine.takeDropped(), state.signals?.waiter)
        }
        if isEarlier { waiter?.wake() }
        workers.runInline(waits: waits)
        for effect in last { effect() }
        _ = dropped
    }

    /// Carries out an action under the lock. The result, if any, is called by the caller after that.
    private func perform(_ action: Action, _ state: inout State, at now: Duration) -> (@Sendable () -> Void)? {
        switch action {
        case .announce(let transition):
            workers.report(transition)
            workers.supervisor.report(transition, of: state.machine, at: now)
        case .start(let id):
            guard let work = state.handles.takeRegistered(id) else { break }
            let context = context(state.machine.generation)
            workers.start { [self] in launcher.startTask(id, of: self, context, work) }
        case .startReload(let id):
            let reload = state.reloadActions.work(of: state.program) { [self] in try checkNotShuttingDown() }
            let context = context(state.machine.generation)
            workers.start { [self] in launcher.startTask(id, of: self, context, reload) }
        case .reloadEnded(let number, let error):
            for request in state.reloadRequests.take(upTo: number) { workers.perform { request.finish(error) } }
        case .cancel(let id):
            if let cancel = state.handles.cancellation(of: id) { workers.perform(cancel) }  // else R3
        case .signalShutdown:
            state.waitingDeadline = now + Self.waitingInterval
            workers.perform(state.shutdownLatch.openDeferringWakeups())
        case .tell(let id):
            if let latch = state.handles.latch(of: id) { workers.perform(latch.openDeferringWakeups()) }
        case .startBody(let id):
            let old = (state.shutdownLatch, state.reloadActions)
            state.shutdownLatch = Latch()
            state.reloadActions = ReloadActions()
            state.waitingDeadline = nil
            endSignalActions(&state)
            workers.perform { _ = old }
            let generation = state.machine.generation
            workers.start { [self] in
                launcher.startTask(id, of: self, context(generation), body(generation: generation))
            }
        case .finish: return { [self] in finish() }
        case .force(let reason):
            return { [self] in
                parts.abandon(reason)
                environment.forceExit(of: self, summary)
            }
        }
        return nil
    }

    /// Datagrams, checks, reports and the close that are due.
    private func timers(_ state: inout State, at now: Duration) -> [@Sendable () -> Void] {
        if workers.supervisor.isCheckDue(at: now) {
            workers.perform { [launcher, workers] in launcher.run { await workers.supervisor.check() } }
        }
        workers.relieve(at: now)
        if let due = state.waitingDeadline, due <= now {
            state.waitingDeadline = state.machine.isOver ? nil : now + Self.waitingInterval
            let names = state.machine.runningWork(at: now).map(\.name)
            if !names.isEmpty { workers.report(.waiting(for: names)) }
        }
        guard let end = state.reportDeadline, end <= now else { return [] }
        state.reportDeadline = nil
        return [{ [self] in requestClose() }]
    }

    // MARK: work

    func add(
        _ item: WorkTable.Item, generation: Int, _ operation: @escaping @Sendable () async throws -> Void
    ) throws(SignalBridgeError) {
        let (id, latch) = try add(item, generation)
        // here, for the caller's task-local values
        launcher.startTaskHere(id, of: self, context(generation, latch), operation)
    }

    func addThread(
        _ item: WorkTable.Item, generation: Int, _ operation: @escaping @Sendable (StopToken) throws -> Void
    ) throws(SignalBridgeError) {
        let (id, latch) = try add(item, generation)
        do throws(SignalBridgeError) {
            try launcher.startThread(
                id, of: self, context(generation, latch), stop: latch ?? shutdownLatch(of: generation), in: environment,
                operation)
        } catch {
            withdraw(id)
            throw error
        }
    }

    /// Adds a daemon inside this one, and runs its body as work of this one.
    func addPart(
        _ item: WorkTable.Item, of daemon: Daemon, generation: Int,
        _ body: @escaping @Sendable (Daemon) async throws -> Void
    ) throws(SignalBridgeError) -> DaemonRuntime {
        let (id, latch) = try add(item, generation)
        let part: DaemonRuntime
        do throws(SignalBridgeError) {
            part = try DaemonRuntime(
                policy.forPart, .disabled, DaemonProgram(body: body),
                { [workers] in
                    workers.report(.part(item.name, $0))
                    workers.runInline()
                }, in: environment.forPart(), outer: daemon)
        } catch {
            withdraw(id)
            throw error
        }
        parts.add(id, item.name, part)
        let told = latch ?? shutdownLatch(of: generation)
        launcher.startTaskHere(id, of: self, context(generation, latch)) { [parts] in
            let forget = told.onOpen { part.shutdown() }
            defer { forget() }
            await part.run()
            parts.end(id)
            try part.summary.throwFailure()
        }
        return part
    }

    private func add(_ item: WorkTable.Item, _ generation: Int) throws(SignalBridgeError) -> (id: Int, latch: Latch?) {
        try state.withLock { state throws(SignalBridgeError) in
            if state.machine.isCycle(item) {
                throw SignalBridgeError(
                    .invalidArgument, nil, "\(item.name) after \(item.after ?? "") would wait for itself")
            }
            guard let id = state.machine.add(item, generation: generation, at: environment.now) else {
                throw Self.refusal
            }
            return (id, item.after == nil ? nil : state.handles.makeLatch(for: id))
        }
    }

    /// The caller could not start what it added.
    private func withdraw(_ id: Int) {
        process { state, now in
            workers.perform { [old = state.handles.remove(id)] in _ = old }
            return state.machine.withdraw(id, at: now)
        }
    }

    /// Registers an action or a clean-up. Returns `false` if it will not run.
    func register(
        _ kind: DaemonTask.Kind, _ name: String, within limit: Duration? = nil, generation: Int,
        _ work: @escaping @Sendable () async throws -> Void
    ) -> Bool {
        var isAdded = false
        process { state, now in
            let added = state.machine.register(kind, name, within: limit, generation: generation, at: now)
            guard let (id, actions) = added else { return [] }
            state.handles.register(id, work)
            isAdded = true
            return actions
        }
        return isAdded
    }

    /// Adds work that the caller runs, even during a shutdown; `ended` follows.
    func addShield(_ name: String) throws(SignalBridgeError) -> Int {
        guard let id = state.withLock({ $0.machine.addShield(name, at: environment.now) }) else { throw Self.refusal }
        return id
    }

    /// Says how running work is cancelled. If it was cancelled before, this is the moment (R3).
    func attach(_ id: Int, _ cancel: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            guard state.machine.isRunning(id) else { return false }
            if state.machine.isCancelled(id) { return true }
            state.handles.attach(id, cancel)
            return false
        }
        if isLate { cancel() }
    }

    func ended(_ id: Int, _ error: (any Error)?) {
        let dropped = state.withLock { $0.handles.remove(id) }
        process { state, now in state.machine.ended(id, error, at: now) }
        _ = dropped
    }

    var runningWork: [RunningWork] { state.withLock { $0.machine.runningWork(at: environment.now) } }

    /// What tasks and threads of the daemon inherit.
    private func context(_ generation: Int = 0, _ latch: Latch? = nil) -> WorkContext {
        WorkContext(daemon: Daemon(self, generation: generation), latch: latch)
    }

    // MARK: requests

    func shutdown(_ reason: ShutdownReason = .requested, exitCode: UInt8? = nil) {
        process { $0.machine.shutdown(reason, exitCode: exitCode, at: $1) }
    }

    /// A part's daemon ends by force.
    func abandon(_ reason: ForcedExitReason) { process { $0.machine.abandon(reason, at: $1) } }

    /// Open once the shutdown of this generation was requested.
    func shutdownLatch(of generation: Int) -> Latch {
        state.withLock { state in
            state.machine.generation == generation ? state.shutdownLatch : Latch(isOpen: true)
        }
    }

    /// Requests a reload. The result is there when that has ended.
    func reload() throws(SignalBridgeError) -> ReloadRequest {
        var request: ReloadRequest?
        process { state, now in
            guard let (number, actions) = state.machine.reload(at: now) else { return [] }
            request = state.reloadRequests.add(number)
            return actions
        }
        if let request { return request }
        if state.withLock({ $0.machine.isShuttingDown || $0.machine.isOver }) { throw Self.refusal }
        throw SignalBridgeError(.invalidArgument, nil, "the daemon has nothing to reload; call onReload first")
    }

    /// The first configuration is there: goes on to the body, unless the daemon is ending.
    func loaded() throws {
        process { state, now in state.machine.loaded(at: now) }
        try checkNotShuttingDown()
    }

    /// Between the steps of a reload, because a `load` need not notice that it was cancelled.
    private func checkNotShuttingDown() throws {
        if state.withLock({ $0.machine.isShuttingDown || $0.machine.isOver }) { throw CancellationError() }
    }

    /// Subscribes to the reload signals, if no other call has. Two calls at once both return when that is done.
    func addReload(
        generation: Int, _ action: @escaping @Sendable () async throws -> Void
    ) throws(SignalBridgeError) {
        let (signals, id) = try state.withLock { state throws(SignalBridgeError) in
            guard let signals = state.signals, state.machine.takesWork(of: generation) else { throw Self.refusal }
            try signals.checkReload()
            let id = state.reloadActions.add(action)
            state.machine.allowReloads(true)  // before the first signal can come
            return (signals, id)
        }
        do throws(SignalBridgeError) {
            try signals.subscribeToReload()
        } catch {
            state.withLock { state in
                state.reloadActions.remove(id)
                state.machine.allowReloads(!state.reloadActions.isEmpty || state.program.load != nil)
            }
            throw error
        }
    }

    /// Subscribes to a signal that the policy does not have, until the daemon or this generation ends.
    func addSignalAction(
        _ signal: SignalNumber, generation: Int, _ action: @escaping @Sendable (SignalEvent) async -> Void
    ) throws(SignalBridgeError) {
        try state.withLock { state throws(SignalBridgeError) in try state.signals?.checkIsFree(signal) }
        let added = try SignalAction(signal, action)
        let isKept = state.withLock { state in
            let isKept = !state.isClosing && state.machine.generation == generation
            if isKept { state.signalActions.append(added) }
            return isKept
        }
        if !isKept {
            added.end()
            throw Self.refusal
        }
    }

    private func endSignalActions(_ state: inout State) {
        workers.perform { [old = state.signalActions] in for action in old { action.end() } }
        state.signalActions = []
    }

    func notifyReady(generation: Int) {
        notify(generation: generation) { $0.reportReady() }
        environment.reportReady()
        if !environment.isInline { waiter?.wake() }  // to look for stolen signals
    }

    /// Notifies the supervisor, unless a restart has replaced the body that wants it, or all is over.
    func notify(generation: Int, _ report: (SupervisorLink) -> Void) {
        state.withLock { if $0.machine.generation == generation, !$0.isClosing { report(workers.supervisor) } }
        workers.runInline()
    }

    // MARK: the end

    /// Everything has ended. The final actions, `onTransition` and the supervisor have at most a second.
    private func finish() {
        state.withLock { $0.reportDeadline = environment.now + .seconds(1) }
        waiter?.wake()
        workers.perform { [self] in
            finalActions.run()
            workers.afterReporting { [self] in requestClose() }
        }
        workers.runInline()
    }

    /// What a forced exit calls on a thread that may be abandoned.
    func lastCall() -> (@Sendable (DaemonSummary) -> Void)? {
        let onForcedExit = state.withLock { $0.program.onForcedExit }
        return { [finalActions] summary in
            finalActions.run()
            onForcedExit?(summary)
        }
    }

    func requestClose() {
        state.withLock { $0.isClosing = true }
        environment.stopMonitor(of: self)
    }

    /// Restores the dispositions, releases what was the user's, and lets `run` return (R4). Where the process ends with the
    /// daemon, the signals stay subscribed: a late one must not end it another way.
    func close() {
        let rest = state.withLock { state -> State? in
            guard state.signals != nil else { return nil }
            defer {
                var closed = State(machine: state.machine, shutdownLatch: state.shutdownLatch, isClosing: true)
                if state.program.endsProcess {
                    (closed.signals, closed.signalActions) = (state.signals, state.signalActions)
                } else {
                    endSignalActions(&state)
                }
                state = closed
            }
            return state
        }
        guard var rest else { return }
        recovery.end()
        if !rest.program.endsProcess { rest.signals?.waiter.cancel() }
        let wake = rest.shutdownLatch.openDeferringWakeups()
        for request in rest.reloadRequests.take(upTo: .max) { workers.perform { request.finish(Self.refusal) } }
        workers.perform { [workers, rest] in
            wake()  // whoever waits outside of the daemon's tasks
            _ = rest  // released here (R2), as the check is
            _ = workers.supervisor.setCheck(nil)
        }
        workers.runInline()
        workers.stop()
        environment.reportEnd()
        launcher.finish()
        closed.signal()
    }
}
