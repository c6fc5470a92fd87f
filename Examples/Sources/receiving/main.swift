// Two ways to give each signal a handler of its own. It sends the signals to itself: just run it.
//
//     swift run --package-path Examples receiving
import Foundation
import SignalBridge

func say(_ line: String) {
    print(line)
    fflush(nil)  // also where stdout is no terminal
}

/// Callbacks on a dispatch queue: one subscription for each handler. They last until they are cancelled, or dropped.
func callbacks() throws {
    let queue = DispatchQueue(label: "handlers")
    let handled = DispatchSemaphore(value: 0)
    let hangUp = try SignalObserver(.sighup, queue: queue) { event in
        say("callback: open the log file again, says \(event)")
        handled.signal()
    }
    let user = try SignalObserver(.sigusr1, .sigusr2, queue: queue) { event in
        say("callback: \(event.signal == .sigusr1 ? "more" : "less") output, says \(event)")
        handled.signal()
    }
    for signal in [SignalNumber.sigusr2, .sighup, .sigusr1] {
        try signal.send(to: getpid())
        handled.wait()
    }
    hangUp.cancel()
    user.cancel()
}

/// An asynchronous sequence: several signals in one loop, in the order in which they were delivered. What comes before
/// the loop is kept for it. Of signals that are pending at the same time, the kernel delivers the lower number first.
/// It drops a second one of the same number, except for realtime signals, which come one by one, each with its value.
func sequence() async throws {
    let events = try SignalEvents(.sighup, .sigusr1, .realtime(0))
    try SignalNumber.sighup.send(to: getpid())
    try SignalNumber.sigusr1.send(to: getpid())
    for number in 1...3 { try SignalNumber.realtime(0).send(to: getpid(), value: number) }
    for await event in events {
        switch event.signal {
        case .sighup: say("sequence: open the log file again, says \(event)")
        case .sigusr1: say("sequence: more output, says \(event)")
        default: say("sequence: job, says \(event)")
        }
        if event.value == 3 { return }  // the end of the sequence: the signals have their previous effect again
    }
}

say("pid \(getpid())")
try callbacks()
try await sequence()
