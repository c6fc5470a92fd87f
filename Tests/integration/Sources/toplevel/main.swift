// Top-level code with `await`, which runs on the main actor, as the closures of a careless library would.
import Dispatch
import Reporting
import SignalBridge

#if FOUNDATION
    import Foundation
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

switch chosenCase() {
case "loop":
    let events = try SignalEvents(.sighup, .sigusr1, .sigterm, .realtime(3))
    ready()
    for await event in events {
        report(event)
        if event.signal == .sigterm { break }
    }

case "loop-in-header":  // only the loop holds the subscription, so its first line reports that it is there
    Task.detached {
        while try SignalNumber.sigterm.disposition != .handler { try await Task.sleep(for: .milliseconds(5)) }
        ready()
    }
    for await event in try SignalEvents(.sighup, .sigusr1, .realtime(3), .sigterm) {
        report(event)
        if event.signal == .sigterm { break }
    }

case "callback":
    let subscription = try SignalObserver(.sighup, .sigusr1, .sigterm, .realtime(3)) { event in
        report(event)
        if event.signal == .sigterm { exit(0) }
    }
    ready()
    try await Task.sleep(for: .seconds(60))
    subscription.cancel()

case "callback-sendable":
    let subscription = try SignalObserver(.sighup, .sigusr1, .sigterm, .realtime(3)) { @Sendable event in
        report(event)
        if event.signal == .sigterm { exit(0) }
    }
    ready()
    try await Task.sleep(for: .seconds(60))
    subscription.cancel()

case "callback-main-queue":
    let subscription = try SignalObserver(.sighup, .sigusr1, .sigterm, .realtime(3), queue: .main) { event in
        report(event)
        if event.signal == .sigterm { exit(0) }
    }
    ready()
    try await Task.sleep(for: .seconds(60))
    subscription.cancel()

default:
    fatalError("no such case")
}
