import SignalBridge

/// The environment of a daemon: time, threads, and the end of the process. It is the system or a simulation.
protocol DaemonEnvironment: Sendable {
    /// Whether workers run on the thread that appends an item, instead of on their own thread.
    var isInline: Bool { get }
    var now: Duration { get }

    /// Returns the supervisor to notify in this environment.
    func resolve(_ supervisor: Supervisor) -> Supervisor
    /// From here on calls `poll` of the runtime whenever a signal came or its deadline passed.
    func startMonitor(of runtime: DaemonRuntime) throws(SignalBridgeError)
    /// Lets the monitor of a closing runtime end, which calls `close`.
    func stopMonitor(of runtime: DaemonRuntime)
    /// Starts a thread for user work, with the mask of the caller.
    func startThread(_ body: @escaping @Sendable () -> Void) throws(SignalBridgeError)
    /// Ends the process; in a simulation, records that and closes the runtime.
    func forceExit(of runtime: DaemonRuntime, _ summary: DaemonSummary)
    /// The environment of a daemon inside this one.
    func forPart() -> any DaemonEnvironment
    /// Sends the process a signal that came after the daemon's end.
    func raise(_ signal: SignalNumber)
    func reportReady()
    func reportEnd()
}
