// A program that is stuck: "consumer": only the task that should take the events; "everything": every thread that
// Swift and Dispatch have, and as many more as they are willing to make. "reader" is not stuck.
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

// Detached: the main actor's thread is not to be had here.
switch chosenCase() {
case "consumer":
    Task.detached {
        say("stuck")
        block()
        for await event in events { report(event) }
    }
case "everything":
    // Queues of our own may ask for threads past the number of cores; Dispatch stops at a few hundred.
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
