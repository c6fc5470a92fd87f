import SignalBridge

/// The threads that a daemon hands things to: transitions, datagrams, and effects that run or release code of the user's.
final class DaemonWorkers: Sendable {
    private let reporter: TransitionReporter
    let supervisor: SupervisorLink
    private let effects: SerialWorker<@Sendable () -> Void>

    init(
        _ onTransition: (@Sendable (DaemonTransition) -> Void)?, _ supervisor: Supervisor, at now: Duration,
        isInline: Bool
    ) throws(SignalBridgeError) {
        let reporter = try TransitionReporter(onTransition, isInline: isInline)
        self.reporter = reporter
        var started: SupervisorLink?
        do throws(SignalBridgeError) {
            self.supervisor = try SupervisorLink(supervisor, at: now, isInline: isInline) { error in
                reporter.append(.notificationFailed(error))
                reporter.runInline()
            }
            started = self.supervisor
            effects = try SerialWorker(isInline: isInline) { $0() }
        } catch {
            reporter.stop()
            started?.stop()
            throw error
        }
    }

    // These may be called under a lock. `runInline` follows when it is released.
    func report(_ transition: DaemonTransition) { reporter.append(transition) }
    func perform(_ effect: @escaping @Sendable () -> Void) { effects.append(effect) }

    /// In a simulation, handles what was handed over: see `SerialWorker`.
    func runInline(waits: Bool = false) {
        supervisor.runInline(waits: waits)  // before the user's closure, which may hang
        reporter.runInline(waits: waits)
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
        reporter.stop()
        supervisor.stop()
    }
}
