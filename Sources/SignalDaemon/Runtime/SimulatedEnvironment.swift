import SignalBridge

/// The environment of a daemon that the calling code makes.
func makeEnvironment() -> any DaemonEnvironment {
    SignalSimulator.current.map { SimulatedEnvironment($0) } ?? SystemEnvironment()
}

/// A simulation: signals and time come from a `SignalSimulator`, and the thread that sends or moves the clock does the
/// work.
final class SimulatedEnvironment: DaemonEnvironment {
    private let simulator: SignalSimulator
    private let clock = Lock<Int?>(nil)

    init(_ simulator: SignalSimulator) { self.simulator = simulator }

    let isInline = true
    var now: Duration { simulator.now }

    func resolve(_ supervisor: Supervisor) -> Supervisor { supervisor.simulated }

    func startMonitor(of runtime: DaemonRuntime) {
        let id = simulator.watchClock(
            deadline: { [weak runtime] in runtime?.deadline },
            passed: { [weak runtime] in runtime?.poll(waits: true) })
        clock.withLock { $0 = id }
        runtime.waiter?.onChange { [weak runtime] in runtime?.poll(waits: true) }
    }

    func stopMonitor(of runtime: DaemonRuntime) {
        if let id = clock.withLock({ $0 }) { simulator.forgetClock(id) }
        runtime.close()
    }

    func startThread(_ body: @escaping @Sendable () -> Void) throws(SignalBridgeError) {
        try SignalBridge.startThread { [simulator] in simulator.withSimulation(body) }
    }

    func forceExit(of runtime: DaemonRuntime, _ summary: DaemonSummary) {
        runtime.lastCall()?(summary)
        if let signal = summary.signals.first?.signal { simulator.forceEnd(by: signal) }
        runtime.requestClose()
    }

    func forPart() -> any DaemonEnvironment { PartEnvironment(outer: SimulatedEnvironment(simulator)) }
    func raise(_ signal: SignalNumber) { try? simulator.send(signal) }
    func reportReady() { simulator.ready.open() }
    func reportEnd() { simulator.ended.open() }
}
