import SignalBridge

/// The surroundings of a daemon: time, threads, and the end of the process. There are two: the system, and a simulation.
protocol DaemonEnvironment: Sendable {
    /// Whether workers run on the thread that brings an item, in place of a thread of their own.
    var isInline: Bool { get }
    var now: Duration { get }

    /// The supervisor to notify here.
    func resolve(_ supervisor: Supervisor) -> Supervisor
    /// From here on calls `poll` of the runtime whenever a signal came or its deadline passed.
    func startMonitor(of runtime: DaemonRuntime) throws(SignalBridgeError)
    /// The runtime is closing: lets the monitor end, which calls `close`.
    func stopMonitor(of runtime: DaemonRuntime)
    /// Starts a thread for work of the user's, with the mask of the caller.
    func startThread(_ body: @escaping @Sendable () -> Void) throws(SignalBridgeError)
    /// Ends the process; in a simulation, records that and closes the runtime.
    func forceExit(of runtime: DaemonRuntime, _ summary: DaemonSummary)
    /// The surroundings of a daemon inside this one.
    func forPart() -> any DaemonEnvironment
    /// Sends a signal that came too late for the daemon to the process.
    func raise(_ signal: SignalNumber)
    func reportReady()
    func reportEnd()
}
