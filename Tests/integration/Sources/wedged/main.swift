// A program with stuck threads. "consumer": only the task that should take the events is stuck. "everything": so is
// every thread of Swift and Dispatch, and each one that they add. "reader" is not stuck.
import Dispatch
import Reporting
import SignalBridge

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

let never = DispatchSemaphore(value: 0)

@Sendable nonisolated func block() {
    never.wait()
}

let events = try SignalEvents(.sigterm, escalateAfterUnread: 2)

// Detached, because the main actor's thread is not free here.
switch chosenCase() {
case "consumer":
    Task.detached {
        say("stuck")
        block()
        for await event in events { report(event) }
    }
case "everything":
    // Queues of the program may ask for more threads than there are cores; Dispatch stops at a few hundred.
    for number in 0..<1024 { DispatchQueue(label: "busy \(number)").async { block() } }
    for _ in 0..<1024 { DispatchQueue.global().async { block() } }
    for _ in 0..<64 { Task.detached { block() } }
    sleep(2)
    let probe = DispatchSemaphore(value: 0)
    DispatchQueue(label: "probe").async { probe.signal() }
    say(probe.wait(timeout: .now() + 1) == .timedOut ? "stuck" : "not stuck")
case "reader":
    Task.detached { for await event in events { report(event) } }
default:
    fatalError("no such case")
}
ready()
sleepForEver()
