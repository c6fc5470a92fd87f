import Dispatch
import SignalBridge

/// The system: threads, the real clock, and an end of the process that user code cannot delay.
///
/// N1  No user code runs on the monitor thread, except a previous handler that another subscription chains to. The
///     thread calls nothing that Dispatch or Swift's pool could delay. So signals, deadlines and the forced exit come
///     in time whatever hangs (StuckCodeTests).
/// N2  The monitor thread blocks every signal before the dispositions are restored. Otherwise it would take signals
///     that no other thread takes.
struct SystemEnvironment: DaemonEnvironment {
    /// The time for the last transitions and datagrams, and then for `onForcedExit`, before a forced exit.
    private static let lastTransitions = DispatchTimeInterval.milliseconds(200)
    private static let lastCall = DispatchTimeInterval.milliseconds(500)
    /// The time for `Daemon.main` to return and to end the process, when everything has ended. It needs Swift's pool,
    /// which code outside of the daemon may block.
    private static let lastReturn = DispatchTimeInterval.seconds(1)

    let isInline = false
    var now: Duration { monotonicNow() }

    func resolve(_ supervisor: Supervisor) -> Supervisor { supervisor.resolved }

    func startMonitor(of runtime: DaemonRuntime) throws(SignalBridgeError) {
        try SignalBridge.startThread(mask: .all()) {
            guard let waiter = runtime.waiter else { return }
            var unblocked: Set<SignalNumber> = []
            while !runtime.isClosing {
                let signals = waiter.signals
                if signals != unblocked {  // whatever other threads block, this one takes them
                    SignalMask.all(but: signals).apply()
                    unblocked = signals
                }
                waiter.wait(until: runtime.deadline, ignoringEvents: runtime.leavesSignals)
                runtime.poll()
            }
            SignalMask.all().apply()  // N2
            let endsProcess = runtime.endsProcess
            runtime.close()
            if !endsProcess { return }
            _ = DispatchSemaphore(value: 0).wait(timeout: .now() + Self.lastReturn)
            runtime.endProcess()
        }
    }

    func stopMonitor(of runtime: DaemonRuntime) { runtime.waiter?.wake() }

    func startThread(_ body: @escaping @Sendable () -> Void) throws(SignalBridgeError) {
        try SignalBridge.startThread(body)
    }

    func forceExit(of runtime: DaemonRuntime, _ summary: DaemonSummary) {
        Self.callLast(of: runtime, summary) { flushStreams() }  // may block while another thread is inside a stream
        summary.exitStatus.endImmediately()
    }

    /// Runs on the monitor thread (N1). The last transitions, and then `onForcedExit`, have a bounded time on other
    /// threads. The adopted children are killed in between.
    static func callLast(
        of runtime: DaemonRuntime, _ summary: DaemonSummary, then: @escaping @Sendable () -> Void = {}
    ) {
        let isReported = DispatchSemaphore(value: 0)
        runtime.workers.afterReporting { isReported.signal() }
        _ = isReported.wait(timeout: .now() + lastTransitions)
        runtime.children.killAll()
        let isDone = DispatchSemaphore(value: 0)
        let call = runtime.lastCall()
        let lastCall: @Sendable () -> Void = {
            call?(summary)
            then()
            isDone.signal()
        }
        if (try? SignalBridge.startThread(lastCall)) != nil { _ = isDone.wait(timeout: .now() + Self.lastCall) }
    }

    func forPart() -> any DaemonEnvironment { PartEnvironment(outer: self) }
    func raise(_ signal: SignalNumber) { try? signal.send(to: SignalEvent.Sender.current.processID) }
    func reportReady() {}
    func reportEnd() {}
}
