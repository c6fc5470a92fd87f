// A program that is stuck: "consumer": only the task that should take the events; "everything": every thread that
// Swift and Dispatch have, and as many more as they are willing to make.
import Dispatch
import Reporting
import SignalBridge

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

let never = DispatchSemaphore(value: 0)
let events = try SignalEvents(.sigterm, options: .escalate(.sigterm, unread: 2))

switch chosenCase() {
case "consumer":
    Task {
        say("stuck")
        for _ in 0..<1 { blockForEver() }
        for await event in events { report(event) }
    }
case "everything":
    // Queues of our own may ask for threads past the number of cores; Dispatch stops at a few hundred.
    for number in 0..<1024 { DispatchQueue(label: "busy \(number)").async { blockForEver() } }
    for _ in 0..<1024 { DispatchQueue.global().async { blockForEver() } }
    for _ in 0..<64 { Task { blockForEver() } }
    sleep(2)
    let probe = DispatchSemaphore(value: 0)
    DispatchQueue(label: "probe").async { probe.signal() }
    say(probe.wait(timeout: .now() + 1) == .timedOut ? "stuck" : "not stuck")
case "reader":  // not stuck: what is consumed does not count
    Task {
        say("stuck")
        for await event in events {
            report(event)
            if event.count == 0 { break }
        }
    }
default:
    fatalError("no such case")
}
ready()
sleepForEver()

@Sendable nonisolated func blockForEver() {
    never.wait()
}
