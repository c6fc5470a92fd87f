import SignalBridge

/// The environment of a part: that of its daemon, except that it has no supervisor and does not end the process.
struct PartEnvironment: DaemonEnvironment {
    let outer: any DaemonEnvironment

    var isInline: Bool { outer.isInline }
    var now: Duration { outer.now }
    func resolve(_ supervisor: Supervisor) -> Supervisor { .disabled }
    func startMonitor(of runtime: DaemonRuntime) throws(SignalBridgeError) { try outer.startMonitor(of: runtime) }
    func stopMonitor(of runtime: DaemonRuntime) { outer.stopMonitor(of: runtime) }
    func startThread(_ body: @escaping @Sendable () -> Void) throws(SignalBridgeError) { try outer.startThread(body) }
    func forceExit(of runtime: DaemonRuntime, _ summary: DaemonSummary) {
        if !isInline { runtime.children.killAll() }
        runtime.requestClose()
    }
    func forPart() -> any DaemonEnvironment { outer.forPart() }
    func raise(_ signal: SignalNumber) {}
    func reportReady() {}
    func reportEnd() {}
}
