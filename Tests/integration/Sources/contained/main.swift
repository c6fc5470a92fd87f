// A daemon that may be PID 1 of a container. The cases "exit" and "die" end at once, and "late" makes the call when
// threads run.
import Dispatch
import Reporting
import SignalBridge
import SignalDaemon

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#endif

if chosenCase() == "late" {
    let started = DispatchSemaphore(value: 0)
    DispatchQueue.global().async { started.signal() }
    started.wait()
    do { try SignalInit.runIfNeeded() } catch { say("\(error.code): \(error)") }
    exit(0)
}
try SignalInit.runIfNeeded()
say("pid \(getpid() == 1 ? "1" : "above 1"), parent \(getppid() == 1 ? "1" : "above 1")")
switch chosenCase() {
case "exit": exit(7)
case "die": try SignalNumber.sigterm.performDefaultAction()
default: break
}

await Daemon.main(policy: .docker) { daemon in
    daemon.onGracefulShutdown { say("draining") }
    daemon.addCleanup("last") { say("cleaned up") }
    for _ in 0..<20 {  // a shell that leaves two orphans: one ends at once, one later
        if let shell = popen("(true &); (sleep 0.2 &)", "r") { pclose(shell) }
    }
    try await Task.sleep(for: .milliseconds(10))
    await withCheckedContinuation { done in DispatchQueue.global().async { done.resume() } }
    ready()
    await daemon.shutdownRequested()
}
