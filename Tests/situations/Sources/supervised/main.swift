// A daemon that Tests/supervisors/run.py starts under each supervisor. The files in its directory say what it does:
//
//     hold-start    it is not ready while this file is there
//     broken        a reload fails
//     hold-reload   a reload does not end while this file is there
//     hold-check    the watchdog's check does not return while this file is there
//     hold-stop     the daemon does not stop while this file is there. Its policy ends it after half a second.
//     slow, patient if this file was there at the start, its policy ends it after three seconds, or after an hour.
//
// SIGUSR2 ends it with the exit code 75. READINESS_FD is the descriptor on which s6 waits for a line.
import Glibc
import SignalBridge
import SignalDaemon

struct Broken: Error, CustomStringConvertible { let description = "the configuration is broken" }

try SignalInit.runIfNeeded()

let orders = Orders()
var supervisor = Supervisor.fromEnvironment
if let descriptor = getenv("READINESS_FD").flatMap({ Int32(String(cString: $0)) }) {
    supervisor = supervisor.withReadinessDescriptor(descriptor)
}
let gracePeriod: Duration =
    orders.has("patient") ? .seconds(3600) : orders.has("slow") ? .seconds(3) : .milliseconds(300)
let policy = SignalPolicy.server.with(
    gracePeriod: gracePeriod, cancelPeriod: .milliseconds(100), cleanupPeriod: .milliseconds(100))

await Daemon.main(policy: policy, supervisor: supervisor, onTransition: { @Sendable in orders.log("\($0)") }) {
    @Sendable daemon in
    try daemon.onReload {
        await orders.wait(whileThereIs: "hold-reload")
        if orders.has("broken") { throw Broken() }
    }
    try daemon.onSignal(.sigusr2) { _ in daemon.shutdown(exitCode: 75) }
    daemon.setWatchdogCheck {
        await orders.wait(whileThereIs: "hold-check")
        return true
    }
    orders.log("pid \(getpid())")
    await orders.wait(whileThereIs: "hold-start")
    daemon.notifyReady()
    orders.log("ready")
    await daemon.shutdownRequested()
    await orders.wait(whileThereIs: "hold-stop")
}
