// Programs that end while they are subscribed. They finish no subscription, and a global is never deinitialized.
import Dispatch
import Reporting
import SignalBridge

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

let events = try SignalEvents(.sighup, .sigterm)
let subscription = try SignalObserver(.sighup, .sigterm) { report($0) }
let waiter = try SignalWaiter(.sighup, .sigterm)
say("subscribed")

switch chosenCase() {
case "return":
    break
case "lingering":
    usleep(200_000)
case "exit":
    exit(0)
case "exit-in-task":  // with a thread inside each kind of waiting
    startThread { while let event = waiter.next() { report(event) } }
    Task { for await event in events { report(event) } }
    Task {
        try await Task.sleep(for: .milliseconds(200))
        exit(0)
    }
    dispatchMain()
case "unread":  // an unread signal does not kill the program at its end
    try SignalNumber.sighup.send(to: getpid())
    try SignalNumber.sigterm.send(to: getpid())
default:
    fatalError("no such case")
}
