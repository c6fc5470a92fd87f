// Top-level code without `await`: the main thread is parked by Dispatch or a run loop, or waits by itself. The closures
// stand at top level on purpose: Swift 6 infers the main actor for them where a library is careless.
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
case "callback":
    let subscription = try SignalObserver(.sighup, .sigusr1, .sigterm, .realtime(3)) { event in
        report(event)
        if event.signal == .sigterm { exit(0) }
    }
    ready()
    withExtendedLifetime(subscription) { dispatchMain() }

case "callback-sendable":
    let subscription = try SignalObserver(.sighup, .sigusr1, .sigterm, .realtime(3)) { @Sendable event in
        report(event)
        if event.signal == .sigterm { exit(0) }
    }
    ready()
    withExtendedLifetime(subscription) { dispatchMain() }

case "callback-main-queue":
    let subscription = try SignalObserver(.sighup, .sigusr1, .sigterm, .realtime(3), queue: .main) { event in
        report(event)
        if event.signal == .sigterm { exit(0) }
    }
    ready()
    withExtendedLifetime(subscription) { dispatchMain() }

case "task":
    let events = try SignalEvents(.sighup, .sigusr1, .sigterm, .realtime(3))
    Task {
        ready()
        for await event in events {
            report(event)
            if event.signal == .sigterm { exit(0) }
        }
    }
    dispatchMain()

case "detached-task":
    let events = try SignalEvents(.sighup, .sigusr1, .sigterm, .realtime(3))
    Task.detached {
        ready()
        for await event in events {
            report(event)
            if event.signal == .sigterm { exit(0) }
        }
    }
    dispatchMain()

case "waiter-main-thread":
    let waiter = try SignalWaiter(.sighup, .sigusr1, .sigterm, .realtime(3))
    ready()
    while let event = waiter.next() {
        report(event)
        if event.signal == .sigterm { break }
    }

case "waiter-pthread":
    let waiter = try SignalWaiter(.sighup, .sigusr1, .sigterm, .realtime(3))
    startThread {
        ready()
        while let event = waiter.next() {
            report(event)
            if event.signal == .sigterm { exit(0) }
        }
    }
    sleepForEver()

case "idle":  // subscriptions of every kind, all of them idle
    let subscription = try SignalObserver(.sigterm) { _ in exit(0) }
    let events = try SignalEvents(.sighup, .sigterm)
    Task { for await event in events { report(event) } }
    let waiter = try SignalWaiter(.sigusr1, .sigterm)
    startThread { while let event = waiter.next() { report(event) } }
    ready()
    withExtendedLifetime(subscription) { dispatchMain() }

#if FOUNDATION
    case "run-loop":
        let subscription = try SignalObserver(.sighup, .sigusr1, .sigterm, .realtime(3), queue: .main) { event in
            report(event)
            if event.signal == .sigterm { exit(0) }
        }
        ready()
        withExtendedLifetime(subscription) { RunLoop.main.run() }

    case "run-loop-task":
        let events = try SignalEvents(.sighup, .sigusr1, .sigterm, .realtime(3))
        Task { @MainActor in
            ready()
            for await event in events {
                report(event)
                if event.signal == .sigterm { exit(0) }
            }
        }
        RunLoop.main.run()
#endif

default:
    fatalError("no such case")
}
