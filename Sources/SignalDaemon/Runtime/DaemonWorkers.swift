import SignalBridge

/// The threads that a daemon hands things to: transitions, datagrams, and effects that run or release code of the user's.
final class DaemonWorkers: Sendable {
    private let reporter: TransitionReporter
    let supervisor: SupervisorNotifier
    /// What runs or releases code of the user's. A cancellation handler that hangs holds up others for so long.
    private static let patience = Duration.milliseconds(50)
    private let effects: SerialWorker<@Sendable () -> Void>
    /// Starts tasks, which does not run their code: so a cancellation handler that hangs holds up no clean-up.
    private let starts: SerialWorker<@Sendable () -> Void>

    init(
        _ onTransition: (@Sendable (DaemonTransition) -> Void)?, _ supervisor: Supervisor, at now: Duration,
        isInline: Bool
    ) throws(SignalBridgeError) {
        let reporter = try TransitionReporter(onTransition, isInline: isInline)
        self.reporter = reporter
        var started: SupervisorNotifier?
        var startedEffects: SerialWorker<@Sendable () -> Void>?
        do throws(SignalBridgeError) {
            self.supervisor = try SupervisorNotifier(supervisor, at: now, isInline: isInline) { error in
                reporter.append(.notificationFailed(error))
                reporter.runInline()
            }
            started = self.supervisor
            let effects = try SerialWorker<@Sendable () -> Void>(isInline: isInline, patience: Self.patience) { $0() }
            self.effects = effects
            startedEffects = effects
            starts = try SerialWorker(isInline: isInline) { $0() }
        } catch {
            reporter.stop()
            started?.stop()
            startedEffects?.stop()
            throw error
        }
    }

    // These may be called under a lock. `runInline` follows when it is released.
    func report(_ transition: DaemonTransition) { reporter.append(transition) }
    func perform(_ effect: @escaping @Sendable () -> Void) { effects.append(effect) }
    func start(_ start: @escaping @Sendable () -> Void) { starts.append(start) }

    /// When `relieve` must be called.
    var deadline: Duration? { effects.deadline }
    func relieve(at now: Duration) { effects.relieve(at: now) }

    /// In a simulation, handles what was handed over: see `SerialWorker`.
    func runInline(waits: Bool = false) {
        supervisor.runInline(waits: waits)  // before the user's closure, which may hang
        reporter.runInline(waits: waits)
        starts.runInline(waits: waits)
        effects.runInline(waits: waits)
    }

    /// Calls this when every transition and datagram so far was handled.
    func afterReporting(_ call: @escaping @Sendable () -> Void) {
        reporter.append(call: { [supervisor] in
            supervisor.afterSending(call)
            supervisor.runInline()
        })
        reporter.runInline()
    }

    /// Lets the threads end when they have handled everything.
    func stop() {
        effects.stop()
        starts.stop()
        reporter.stop()
        supervisor.stop()
    }
}
