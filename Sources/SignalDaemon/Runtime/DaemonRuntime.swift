// Carries out the decisions of the state machine, in the order of a daemon's life: start, input, work, requests, end.
//
// R1  One lock holds the state machine and what runs. Every input (a signal, a deadline, work that ended, a call of the
//     user's) goes into the machine under it, and the actions that come out happen in their order.
// R2  No code of the user's runs or is released under the lock, or on the monitor thread. Cancelling a task, opening a latch
//     and releasing a closure may run such code: the effects worker does that, on its own thread (StuckCodeTests).
// R3  Effects may come late, and tolerate it: work that was cancelled before it was attached is cancelled when it is.
// R4  The daemon closes once: dispositions are restored, and what was the user's is released.
//
// Lock order: runtime, then the waiter's, a worker's or a latch's.
import Dispatch
import SignalBridge

final class DaemonRuntime: Sendable {
    private typealias Action = ShutdownStateMachine.Action

    private struct State {
        var machine: ShutdownStateMachine
        /// Registered, and not started yet.
        var work: [Int: @Sendable () async throws -> Void] = [:]
        /// Cancels what runs.
        var cancellations: [Int: @Sendable () -> Void] = [:]
        /// Opens when the shutdown of this generation is requested.
        var shutdownLatch = Latch()
        var reloadActions = ReloadActions()
        /// Before that, signals wait: the start is reported before what ends it.
        var hasStarted = false
        var isClosing = false
        var isClosed = false
        var reportDeadline: Duration?
    }

    private static let refusal = SignalBridgeError(
        .shuttingDown, nil, "the daemon is shutting down, or its body was restarted; it takes no new work")

    let program: DaemonProgram
    private let signals: DaemonSignals
    private let environment: any DaemonEnvironment
    private let state: Lock<State>
    let workers: DaemonWorkers
    private let launcher = WorkLauncher()
    private let closed = DispatchSemaphore(value: 0)

    // MARK: start

    init(
        _ policy: SignalPolicy, _ supervisor: Supervisor, _ program: DaemonProgram,
        _ onTransition: (@Sendable (DaemonTransition) -> Void)?
    ) throws(SignalBridgeError) {
        self.program = program
        environment = makeEnvironment()
        signals = DaemonSignals(policy)
        let now = environment.now
        workers = try DaemonWorkers(
            onTransition, environment.resolve(supervisor), at: now, isInline: environment.isInline)
        let machine = ShutdownStateMachine(
            policy, loads: program.load != nil, restarts: program.restartsOnReload, at: now)
        state = Lock(State(machine: machine))
        do throws(SignalBridgeError) {
            try signals.subscribeToEnd(hasBackstop: !environment.isInline)
            if program.load != nil { try signals.subscribeToReload() }
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
        if let body = program.body {
            launcher.startTaskHere(0, of: self) { [self] in try await body(Daemon(self, generation: 0)) }
        }
        await withTaskCancellationHandler {
            await launching.value
        } onCancel: {
            shutdown(.cancelled)
        }
    }

    /// Runs the body on the calling thread, and returns when everything has ended.
    func runBlocking(_ body: () throws -> Void) {
        _ = launcher.begin()
        begin()
        do {
            try body()
            ended(0, nil)
        } catch {
            ended(0, error)
        }
        closed.wait()
    }

    private func begin() {
        process { state, _ in
            state.hasStarted = true
            return program.load == nil ? [.announce(.started)] : []
        }
        if environment.isInline { poll() } else { waiter.wake() }  // what came before
    }

    // MARK: input

    var waiter: SignalWaiter { signals.waiter }
    var isClosing: Bool { state.withLock { $0.isClosing } }
    var deadline: Duration? { state.withLock { deadline(of: $0) } }
    var leavesSignals: Bool { state.withLock { !$0.hasStarted || $0.machine.isOver } }

    private func deadline(of state: State) -> Duration? {
        if state.isClosing || !state.hasStarted { return nil }
        return [state.machine.deadline, workers.supervisor.deadline, state.reportDeadline].compactMap { $0 }.min()
    }

    var summary: DaemonSummary { state.withLock { $0.machine.summary } }

    /// Takes the signals that are there, and looks at the clock.
    func poll(waits: Bool = false) {
        process(waits: waits) { state, now in
            if !state.hasStarted { return [] }
            var actions: [Action] = []
            while !state.machine.isOver, let event = waiter.take() {
                for _ in 0..<min(event.count, 3) { actions += state.machine.receive(event, at: now) }
            }
            return actions + state.machine.tick(at: now)
        }
    }

    /// Puts an input into the state machine, and carries out what comes out (R1, R2).
    private func process(waits: Bool = false, _ input: (inout State, Duration) -> [Action]) {
        let (last, isEarlier, dropped) = state.withLock { state in
            let now = environment.now
            let before = deadline(of: state) ?? .seconds(1 << 41)
            let last = input(&state, now).compactMap { perform($0, &state, at: now) } + timers(&state, at: now)
            return (last, deadline(of: state).map { $0 < before } ?? false, state.machine.takeDropped())
        }
        if isEarlier { waiter.wake() }
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
            guard let work = state.work.removeValue(forKey: id) else { break }
            workers.start { [self] in launcher.startTask(id, of: self, work) }
        case .startReload(let id):
            let reload = state.reloadActions.work(of: program) { [self] in try checkNotShuttingDown() }
            workers.start { [self] in launcher.startTask(id, of: self, reload) }
        case .cancel(let id):
            if let cancel = state.cancellations[id] { workers.perform(cancel) }  // else R3
        case .signalShutdown:
            workers.perform(state.shutdownLatch.openDeferringWakeups())
        case .startBody(let id):
            let old = (state.shutdownLatch, state.reloadActions)
            state.shutdownLatch = Latch()
            state.reloadActions = ReloadActions()
            workers.perform { _ = old }
            workers.start { [self, generation = state.machine.generation] in
                if let body = program.body {
                    launcher.startTask(id, of: self) { try await body(Daemon(self, generation: generation)) }
                }
            }
        case .finish: return { [self] in finish() }
        case .force: return { [self] in environment.forceExit(of: self, summary) }
        }
        return nil
    }

    /// Datagrams, checks and the close that are due.
    private func timers(_ state: inout State, at now: Duration) -> [@Sendable () -> Void] {
        if workers.supervisor.isCheckDue(at: now) {
            workers.perform { [launcher, workers] in launcher.run { await workers.supervisor.check() } }
        }
        guard let end = state.reportDeadline, end <= now else { return [] }
        state.reportDeadline = nil
        return [{ [self] in requestClose() }]
    }

    // MARK: work

    func add(
        _ item: WorkTable.Item, generation: Int, _ operation: @escaping @Sendable () async throws -> Void
    ) throws(SignalBridgeError) {
        launcher.startTaskHere(try add(item, generation), of: self, operation)  // for the caller's task-local values
    }

    func addThread(
        _ item: WorkTable.Item, generation: Int, _ operation: @escaping @Sendable (StopToken) throws -> Void
    ) throws(SignalBridgeError) {
        let id = try add(item, generation)
        do throws(SignalBridgeError) {
            try launcher.startThread(
                id, of: self, stop: shutdownLatch(of: generation), in: environment, operation)
        } catch {
            process { state, now in
                state.cancellations[id] = nil
                return state.machine.withdraw(id, at: now)
            }
            throw error
        }
    }

    private func add(_ item: WorkTable.Item, _ generation: Int) throws(SignalBridgeError) -> Int {
        let id = state.withLock { $0.machine.add(item, generation: generation, at: environment.now) }
        guard let id else { throw Self.refusal }
        return id
    }

    /// Registers an action or a clean-up. Returns `false` if it will not run.
    func register(
        _ kind: DaemonTask.Kind, _ name: String, generation: Int, _ work: @escaping @Sendable () async throws -> Void
    ) -> Bool {
        var isAdded = false
        process { state, now in
            guard let (id, actions) = state.machine.register(kind, name, generation: generation, at: now) else {
                return []
            }
            state.work[id] = work
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
            state.cancellations[id] = cancel
            return false
        }
        if isLate { cancel() }
    }

    func ended(_ id: Int, _ error: (any Error)?) {
        let dropped = state.withLock { $0.cancellations.removeValue(forKey: id) }
        process { state, now in state.machine.ended(id, error, at: now) }
        _ = dropped
    }

    // MARK: requests

    func shutdown(_ reason: ShutdownReason = .requested) { process { $0.machine.shutdown(reason, at: $1) } }

    /// Open once the shutdown of this generation was requested.
    func shutdownLatch(of generation: Int) -> Latch {
        state.withLock { state in
            state.machine.generation == generation ? state.shutdownLatch : Latch(isOpen: true)
        }
    }

    func reload() { process { $0.machine.reload(at: $1) } }

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
        try signals.checkReload()
        let id = try state.withLock { state throws(SignalBridgeError) in
            guard state.machine.takesWork(of: generation) else { throw Self.refusal }
            let id = state.reloadActions.add(action)
            state.machine.allowReloads(true)  // before the first signal can come
            return id
        }
        do throws(SignalBridgeError) {
            try signals.subscribeToReload()
        } catch {
            state.withLock { state in
                state.reloadActions.remove(id)
                state.machine.allowReloads(!state.reloadActions.isEmpty || program.load != nil)
            }
            throw error
        }
    }

    func notifyReady(generation: Int) {
        notify(generation: generation) { $0.reportReady() }
        environment.reportReady()
    }

    /// Notifies the supervisor, unless a restart has replaced the body that wants it, or all is over.
    func notify(generation: Int, _ report: (SupervisorLink) -> Void) {
        state.withLock { if $0.machine.generation == generation, !$0.isClosing { report(workers.supervisor) } }
        workers.runInline()
    }

    // MARK: the end

    /// Everything has ended. `onTransition` and the supervisor have at most a second for what they have not heard yet.
    private func finish() {
        state.withLock { $0.reportDeadline = environment.now + .seconds(1) }
        waiter.wake()
        workers.afterReporting { [self] in requestClose() }
    }

    func requestClose() {
        state.withLock { $0.isClosing = true }
        environment.stopMonitor(of: self)
    }

    /// Restores the dispositions, releases what was the user's, and lets `run` return (R4).
    func close() {
        let rest = state.withLock { state -> State? in
            if state.isClosed { return nil }
            defer {
                state = State(
                    machine: state.machine, shutdownLatch: state.shutdownLatch, isClosing: true, isClosed: true)
            }
            return state
        }
        guard let rest else { return }
        waiter.cancel()
        let wake = rest.shutdownLatch.openDeferringWakeups()
        workers.perform { [workers] in
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
