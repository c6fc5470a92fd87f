// Carries out the decisions of the state machine, in the order of a daemon's life: start, input, work, requests, end.
//
// R1  One lock holds the state machine and what runs. Every input (a signal, a deadline, ended work, a user's call)
//     goes into the machine under it, and the resulting actions happen in their order.
// R2  No user code runs or is released under the lock, or on the monitor thread. Cancelling a task, opening a latch,
//     describing an error and releasing a closure may run user code. The effects worker does that (StuckCodeTests).
// R3  Effects may run late, and tolerate it: work that was cancelled before it was attached is cancelled when it is.
// R4  The daemon closes once. Dispositions are restored, and user code is released, although the user may keep the
//     `Daemon`.
//
// Lock order: runtime, then a part's runtime, then the waiter's, a worker's or a latch's.
import Dispatch
import SignalBridge

final class DaemonRuntime: Sendable {
    typealias Action = ShutdownStateMachine.Action

    private static let waitingInterval = Duration.seconds(5)
    let environment: any DaemonEnvironment
    private let policy: SignalPolicy
    /// The daemon that this one is a part of.
    let outer: Daemon?
    let state: Lock<RuntimeState>
    let workers: DaemonWorkers
    let launcher = WorkLauncher()
    let parts = DaemonParts()
    let children = AdoptedChildren()
    let exitActions = ExitActions()
    private let recovery = SignalRecovery()
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
        let loads = program.load != nil
        let machine = ShutdownStateMachine(policy, loads: loads, restarts: program.restartsOnReload, at: now)
        state = Lock(RuntimeState(machine: machine, program: program, signals: signals))
        do throws(SignalBridgeError) {
            try signals.subscribeToEnd(hasBackstop: !environment.isInline)
            if loads { try signals.subscribeToReload() }
            try environment.startMonitor(of: self)
        } catch {
            close()
            throw error
        }
        guard let early = program.early else { return }
        signals.takeOver(early)
        state.withLock { $0.signals = signals }
    }

    /// A daemon inside this one.
    func makePart(
        _ name: String, of daemon: Daemon, _ program: DaemonProgram
    ) throws(SignalBridgeError) -> DaemonRuntime {
        let report: @Sendable (DaemonTransition) -> Void = { [workers] transition in
            workers.report(.part(name, transition))
            workers.runInline()
        }
        return try DaemonRuntime(policy.forPart, .disabled, program, report, in: environment.forPart(), outer: daemon)
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
            let isHard = outer?.runtime.state.withLock { $0.machine.isHardExit } ?? false
            if isHard { state.withLock { $0.machine.beginHardExit() } }  // this part has less time, too
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
        let result = Result { try WorkContext.$current.withValue(context()) { try body() } }
        ended(0, result.failure)
        closed.wait()
    }

    /// From here on signals have an effect. A part begins before it can be shut down.
    func begin() {
        process { state, now in
            if state.hasStarted { return [] }
            state.hasStarted = true
            if !environment.isInline { recovery.checkThoroughly(at: now + .seconds(1)) }
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
    /// Whether this daemon, or the one that it is a part of, waits for the old body of a restart.
    var isRestarting: Bool { outer?.runtime.isRestarting ?? state.withLock { $0.isRestarting } }
    var leavesSignals: Bool { state.withLock { !$0.hasStarted || $0.machine.isOver } }

    private func deadline(of state: RuntimeState) -> Duration? {
        if state.isClosing || !state.hasStarted { return nil }
        let others = [workers.deadline, workers.supervisor.deadline, recovery.deadline]
        return (others + [state.deadline]).compactMap { $0 }.min()
    }

    var summary: DaemonSummary {
        var summary = state.withLock { $0.machine.summary }
        summary.parts = parts.summaries
        return summary
    }

    /// Takes pending signals, and checks the clock.
    func poll(waits: Bool = false) {
        if !environment.isInline { takeBackDisplacedSignals() }
        let restarts = outer?.runtime.isRestarting ?? false  // not under the lock: the outer one comes first
        process(waits: waits) { state, now in
            if !state.hasStarted { return [] }
            var actions: [Action] = []
            while !state.machine.isOver, let event = state.signals?.take() {
                for _ in 0..<min(event.count, 3) { actions += state.machine.receive(event, at: now) }
            }
            return actions + state.machine.tick(at: now, isPartOfRestart: restarts)
        }
    }

    /// Takes back the signals for which other code has installed a handler.
    private func takeBackDisplacedSignals() {
        let signals = state.withLock { $0.hasStarted && !$0.isClosing ? $0.signals?.waiter.signals : nil }
        guard let signals, let displaced = recovery.search(signals, at: environment.now) else { return }
        workers.perform { [self] in  // which may wait for the loader
            recovery.takeBack(displaced, of: signals) { [weak self] transition in
                self?.process { state, _ in state.machine.isOver ? [] : [.announce(transition)] }
            } onSignal: { [weak self] event in
                self?.process { $0.machine.receive(event, at: $1) }
            }
        }
    }

    /// Gives an input to the state machine, and carries out the resulting actions (R1, R2).
    func process(waits: Bool = false, _ input: (inout RuntimeState, Duration) -> [Action]) {
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

    /// Carries out an action under the lock. The caller calls the result, if any, after that.
    private func perform(_ action: Action, _ state: inout RuntimeState, at now: Duration) -> (@Sendable () -> Void)? {
        switch action {
        case .announce(let transition):
            workers.report(transition)
            if let rest = workers.supervisor.report(transition, of: state.machine, at: now) { workers.perform(rest) }
        case .start(let id):
            guard let work = state.handles.takeRegistered(id) else { break }
            let context = context(state.machine.generation)
            workers.perform { [self] in launcher.startTask(id, of: self, context, work) }
        case .startReload(let id):
            let reload = state.reloadActions.work(of: state.program) { [self] in try checkNotShuttingDown() }
            let context = context(state.machine.generation)
            workers.perform { [self] in launcher.startTask(id, of: self, context, reload) }
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
            workers.perform { [old = state.takeGeneration()] in for action in old.signalActions { action.silence() } }
            workers.perform { [check = workers.supervisor.setCheck(nil)] in _ = check }
            let generation = state.machine.generation
            workers.perform { [self] in
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

    /// Carries out the datagrams, checks, reports and the close that are due.
    private func timers(_ state: inout RuntimeState, at now: Duration) -> [@Sendable () -> Void] {
        if workers.supervisor.isCheckDue(at: now) {
            workers.perform { [launcher, workers] in launcher.run { await workers.supervisor.check() } }
        }
        workers.relieve(at: now)
        if let due = state.waitingDeadline, due <= now {
            state.waitingDeadline = state.machine.isOver ? nil : now + Self.waitingInterval
            let names = state.machine.work.list(at: now).map(\.name)
            if !names.isEmpty { workers.report(.waiting(for: names)) }
        }
        guard let end = state.reportDeadline, end <= now else { return [] }
        state.reportDeadline = nil
        return [{ [self] in requestClose() }]
    }

    // MARK: work

    /// Sets the way in which running work is cancelled. If it was cancelled before, it is cancelled now (R3).
    func attach(_ id: Int, _ cancel: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            guard state.machine.work.running[id] != nil else { return false }
            if state.machine.isCancelled(id) { return true }
            state.handles.attach(id, cancel)
            return false
        }
        if isLate { cancel() }
    }

    func ended(_ id: Int, _ error: (any Error)?) {
        var dropped: (@Sendable () -> Void)?
        process { state, now in
            dropped = state.handles.remove(id)  // not earlier, because `attach` needs the running work
            return state.machine.ended(id, error, at: now)
        }
        _ = dropped
    }

    /// The values that tasks and threads of the daemon inherit.
    private func context(_ generation: Int = 0, _ latch: Latch? = nil) -> WorkContext {
        WorkContext(daemon: Daemon(self, generation: generation), latch: latch)
    }

    func shutdown(_ reason: ShutdownReason = .requested, exitCode: UInt8? = nil) {
        process { $0.machine.shutdown(reason, exitCode: exitCode, at: $1) }
    }

    /// Ends this part, because its daemon is forced to end.
    func abandon(_ reason: ForcedExitReason) { process { $0.machine.force(reason, at: $1) } }

    /// Continues with the body after the first configuration was loaded, unless the daemon is ending.
    func loaded() throws {
        process { state, now in state.machine.loaded(at: now) }
        try checkNotShuttingDown()
    }

    /// Called between the steps of a reload, because a `load` may not notice that it was cancelled.
    private func checkNotShuttingDown() throws {
        if state.withLock({ $0.isEnding }) { throw CancellationError() }
    }

    // MARK: the end

    /// Ends the daemon. The final actions, `onTransition` and the supervisor have at most a second.
    private func finish() {
        state.withLock { $0.reportDeadline = environment.now + .seconds(1) }
        workers.perform { [self] in
            exitActions.run()
            workers.afterReporting { [self] in requestClose() }
        }
        waiter?.wake()  // now that the effect waits, because a stuck worker must be relieved
        workers.runInline()
    }

    /// Whether the process ends with the daemon.
    var endsProcess: Bool { state.withLock { $0.program.endsProcess && $0.machine.isOver } }

    /// Ends the process that ends with the daemon, unless another thread does that.
    func endProcess() {
        if state.withLock({ exchange(&$0.isEndingProcess, with: true) }) { return }
        let summary = summary
        withExtendedLifetime(self) { summary.exitStatus.end { Daemon.printErrors(of: summary) } }
    }

    /// The actions of a forced exit on a thread that may be abandoned.
    func lastCall() -> (@Sendable (DaemonSummary) -> Void)? {
        return { [exitActions, onForcedExit = state.withLock { $0.program.onForcedExit }] summary in
            exitActions.run()
            onForcedExit?(summary)
        }
    }

    func requestClose() {
        state.withLock { $0.isClosing = true }
        environment.stopMonitor(of: self)
    }

    /// Restores the dispositions, releases user code, and lets `run` return (R4).
    func close() {
        guard var rest = state.withLock({ $0.isClosed ? nil : $0.takeAll() }) else { return }
        recovery.end()
        let requests = rest.reloadRequests.take(upTo: .max)
        if !rest.program.endsProcess {
            let late = rest.takeLateSignals(policy)
            rest.signals?.waiter.cancel()
            for signal in late { environment.raise(signal) }
        }
        workers.perform { [self, rest] in  // not here, because a resumed task may wait for a thread (N1)
            rest.unsubscribeActions()
            if !environment.isInline { endRun() }
        }
        workers.perform { [workers, rest = consume rest] in
            rest.shutdownLatch.open()  // for callers that wait outside of the daemon's tasks
            for request in requests { request.finish(CancellationError()) }
            if !rest.program.endsProcess { for action in rest.signalActions { action.silence() } }
            _ = workers.supervisor.setCheck(nil)
        }  // releases user code (R2)
        workers.runInline()
        workers.stop()
        environment.reportEnd()
        if environment.isInline { endRun() }
    }

    private func endRun() {
        launcher.finish()
        closed.signal()
    }
}
