// Carries out the decisions of the state machine, in the order of a daemon's life: start, input, work, requests, end.
//
// R1  One lock holds the state machine and what runs. Every input (a signal, a deadline, work that ended, a call of the user's)
//     goes into the state machine under it. The actions that come out happen in their order.
// R2  No code of the user's runs or is released under the lock, or on the monitor thread. Cancelling a task, opening a latch
//     and releasing a closure may run such code, and resuming a task may wait for a thread: all of that is done by the effects
//     worker, a thread that does nothing else (StuckCodeTests).
// R3  Effects may come late, and tolerate it: work that was cancelled before it was attached is cancelled when it is.
// R4  The daemon closes once: dispositions are restored, and what was the user's is released.
//
// Lock order: runtime, then the waiter's, a worker's or a latch's.
import Dispatch
import SignalBridge

final class DaemonRuntime: Sendable {
    typealias Action = ShutdownStateMachine.Action

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
        /// When the last transitions have had all the time there is.
        var reportDeadline: Duration?
    }

    /// The C handler ends the process when so many requests are unread that even the monitor thread must hang. It would have
    /// forced the end at the third; this many do not pile up while a thread wakes.
    private static let backstop = 100
    private static let refusal = SignalBridgeError(
        .shuttingDown, nil, "the daemon is shutting down, or its body was restarted; it takes no new work")

    let program: DaemonProgram
    let waiter: SignalWaiter
    private let policy: SignalPolicy
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
        self.policy = policy
        self.program = program
        let environment: any DaemonEnvironment =
            SignalSimulator.current.map { SimulatedEnvironment($0) } ?? SystemEnvironment()
        self.environment = environment
        let supervisor = environment.resolve(supervisor)
        waiter = try SignalWaiter(options: policy.keepsIgnored ? [.everyDelivery, .keepIgnored] : .everyDelivery)
        let now = environment.now
        workers = try DaemonWorkers(onTransition, supervisor, at: now, isInline: environment.isInline)
        let machine = ShutdownStateMachine(
            policy, loads: program.load != nil, restarts: program.restartsOnReload, at: now)
        state = Lock(State(machine: machine))
        do throws(SignalBridgeError) {
            let ending = policy.hardExit.union(policy.graceful)
            try subscribe(ending.filter(\.terminatesByDefault), escalateAfterUnread: Self.backstop)
            try subscribe(ending.filter { !$0.terminatesByDefault })
            if program.load != nil { try subscribe(policy.reload) }
            try environment.startMonitor(of: self)
        } catch {
            close()
            throw error
        }
    }

    private func subscribe(_ signals: Set<SignalNumber>, escalateAfterUnread: Int? = nil) throws(SignalBridgeError) {
        defer { waiter.wake() }  // subscribing reads the bridge, and may take a wake-up of the monitor's
        try waiter.insert(signals, escalateAfterUnread: environment.isInline ? nil : escalateAfterUnread)
    }

    /// Runs the body as a task, and returns when everything has ended.
    func run() async {
        let launching = launcher.begin()
        begin()
        if let body = program.body { startTaskHere(0) { [self] in try await body(Daemon(self, generation: 0)) } }
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

    var isClosing: Bool { state.withLock { $0.isClosing } }
    var deadline: Duration? { state.withLock { deadline(of: $0) } }

    private func deadline(of state: State) -> Duration? {
        if state.isClosing || !state.hasStarted { return nil }
        return [state.machine.deadline, workers.supervisor.deadline, state.reportDeadline].compactMap { $0 }.min()
    }

    var summary: DaemonSummary { state.withLock { $0.machine.summary } }

    /// Takes the signals that are there, and looks at the clock. Signals that come after the end stay unread, and meet the
    /// restored disposition as with every subscription that ends.
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
            workers.perform { [self] in start(id, work) }
        case .startReload(let id):
            let reload = state.reloadActions.work(of: program) { [self] in try checkNotShuttingDown() }
            workers.perform { [self] in start(id, reload) }
        case .cancel(let id):
            if let cancel = state.cancellations[id] { workers.perform(cancel) }  // else R3
        case .signalShutdown:
            let wake = state.shutdownLatch.openDeferringWakeups()
            workers.perform(wake)
        case .startBody(let id):
            let old = (state.shutdownLatch, state.reloadActions)
            state.shutdownLatch = Latch()
            state.reloadActions = ReloadActions()
            workers.perform { [self, generation = state.machine.generation] in
                _ = old
                if let body = program.body {
                    start(id) { try await body(Daemon(self, generation: generation)) }
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
            workers.perform { [launcher, workers] in launcher.startTask { await workers.supervisor.check() } }
        }
        guard let end = state.reportDeadline, end <= now else { return [] }
        state.reportDeadline = nil
        return [{ [self] in requestClose() }]
    }

    // MARK: work

    func add(
        _ item: WorkTable.Item, generation: Int, _ operation: @escaping @Sendable () async throws -> Void
    ) throws(SignalBridgeError) {
        startTaskHere(try add(item, generation), operation)  // for the caller's task-local values
    }

    func addThread(
        _ item: WorkTable.Item, generation: Int, _ operation: @escaping @Sendable (StopToken) throws -> Void
    ) throws(SignalBridgeError) {
        let id = try add(item, generation)
        let cancel = Latch()
        let token = StopToken(stop: shutdownLatch(of: generation), cancel: cancel)
        attach(id) { cancel.open() }
        do throws(SignalBridgeError) {
            try environment.startThread { [self] in
                do {
                    try operation(token)
                    ended(id, nil)
                } catch {
                    ended(id, error)
                }
            }
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

    func addAction(
        _ name: String, generation: Int, _ action: @escaping @Sendable () async throws -> Void
    ) {
        process { state, now in
            guard let (id, actions) = state.machine.addAction(name, generation: generation, at: now) else { return [] }
            state.work[id] = action
            return actions
        }
    }

    func addCleanup(
        _ name: String, generation: Int, _ cleanup: @escaping @Sendable () async throws -> Void
    ) -> Bool {
        var isAdded = false
        process { state, now in
            guard let (id, actions) = state.machine.addCleanup(name, generation: generation, at: now) else { return [] }
            state.work[id] = cleanup
            isAdded = true
            return actions
        }
        return isAdded
    }

    func shield<Result: Sendable>(
        _ name: String, _ operation: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        guard let id = state.withLock({ $0.machine.addShield(name, at: environment.now) }) else { throw Self.refusal }
        let result = await Task { try await operation() }.result  // the caller's cancellation does not reach it
        switch result {
        case .success: ended(id, nil)
        case .failure(let error): ended(id, error)
        }
        return try result.get()
    }

    private func start(_ id: Int, _ operation: @escaping @Sendable () async throws -> Void) {
        launcher.startTask(operation, attach: { self.attach(id, $0) }, ended: { self.ended(id, $0) })
    }

    private func startTaskHere(_ id: Int, _ operation: @escaping @Sendable () async throws -> Void) {
        launcher.startTaskHere(operation, attach: { attach(id, $0) }, ended: { self.ended(id, $0) })
    }

    /// Says how running work is cancelled. If it was cancelled before, this is the moment (R3).
    private func attach(_ id: Int, _ cancel: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            guard state.machine.isRunning(id) else { return false }
            if state.machine.isCancelled(id) { return true }
            state.cancellations[id] = cancel
            return false
        }
        if isLate { cancel() }
    }

    private func ended(_ id: Int, _ error: (any Error)?) {
        let dropped = state.withLock { $0.cancellations.removeValue(forKey: id) }
        process { state, now in state.machine.ended(id, error, at: now) }
        _ = dropped
    }

    // MARK: requests

    func shutdown(_ reason: ShutdownReason = .requested) {
        process { state, now in state.machine.shutdown(reason, at: now) }
    }

    /// Open once the shutdown of this generation was requested.
    func shutdownLatch(of generation: Int) -> Latch {
        state.withLock { state in
            if state.machine.generation == generation { return state.shutdownLatch }
            let open = Latch()
            open.open()
            return open
        }
    }

    func reload() {
        process { state, now in state.machine.reload(at: now) }
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
        if policy.reload.isEmpty {
            throw SignalBridgeError(
                .noSignals, nil, "the policy names no signals that reload; give it one, such as SIGHUP")
        }
        let id = try state.withLock { state throws(SignalBridgeError) in
            guard state.machine.takesWork(of: generation) else { throw Self.refusal }
            let id = state.reloadActions.add(action)
            state.machine.allowReloads(true)  // before the first signal can come
            return id
        }
        do throws(SignalBridgeError) {
            try subscribe(policy.reload)
        } catch {
            state.withLock { state in
                state.reloadActions.remove(id)
                state.machine.allowReloads(!state.reloadActions.isEmpty || program.load != nil)
            }
            throw error
        }
        if environment.isInline { poll() }
    }

    func notifyReady() {
        workers.supervisor.reportReady()
        workers.runInline()
        environment.reportReady()
    }

    func setStatus(_ text: String) {
        workers.supervisor.reportStatus(text)
        workers.runInline()
    }

    func setWatchdogCheck(_ check: @escaping @Sendable () async -> Bool) {
        let old = state.withLock { $0.isClosing ? check : workers.supervisor.setCheck(check) }
        _ = old
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
            let rest = state
            state.isClosing = true
            state.isClosed = true
            state.work = [:]
            state.cancellations = [:]
            state.reloadActions = ReloadActions()
            return rest
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
