import SignalBridge

/// The worker threads of a daemon: for transitions, for datagrams, and for effects that run or release user code.
final class DaemonWorkers: Sendable {
    private let reporter: TransitionReporter
    let supervisor: SupervisorNotifier
    /// The time for which stuck user code delays other effects.
    private static let patience = Duration.milliseconds(50)
    private let effects: SerialWorker<@Sendable () -> Void>

    init(
        _ onTransition: (@Sendable (DaemonTransition) -> Void)?, _ supervisor: Supervisor, at now: Duration,
        isInline: Bool
    ) throws(SignalBridgeError) {
        let reporter = try TransitionReporter(onTransition, isInline: isInline)
        self.reporter = reporter
        var started: SupervisorNotifier?
        do throws(SignalBridgeError) {
            self.supervisor = try SupervisorNotifier(supervisor, at: now, isInline: isInline) { error in
                reporter.append(.notificationFailed(error))
                reporter.runInline()
            }
            started = self.supervisor
            effects = try SerialWorker(isInline: isInline, patience: Self.patience) { $0() }
        } catch {
            reporter.stop()
            started?.stop()
            throw error
        }
    }

    // These may be called under a lock. The caller calls `runInline` after releasing it.
    func report(_ transition: DaemonTransition) { reporter.append(transition) }
    func perform(_ effect: @escaping @Sendable () -> Void) { effects.append(effect) }

    var deadline: Duration? { effects.deadline }
    func relieve(at now: Duration) { effects.relieve(at: now) }

    /// In a simulation, handles the appended items: see `SerialWorker`.
    func runInline(waits: Bool = false) {
        supervisor.runInline(waits: waits)  // before the user's closure, which may hang
        reporter.runInline(waits: waits)
        effects.runInline(waits: waits)
    }

    /// Calls the closure when every transition and datagram so far was handled.
    func afterReporting(_ call: @escaping @Sendable () -> Void) {
        reporter.append(call: { [supervisor] in
            supervisor.afterSending(call)
            supervisor.runInline()
        })
        reporter.runInline()
    }

    /// Lets the threads end when they have handled all items.
    func stop() {
        effects.stop()
        reporter.stop()
        supervisor.stop()
    }
}
