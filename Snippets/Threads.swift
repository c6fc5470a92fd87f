// snippet.hide
// Worker threads, and a main thread that sleeps until it is asked to end: no Swift concurrency.
// signals: INT
import Foundation
import SignalBridge

final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var isSet = false
    var value: Bool {
        get { lock.withLock { isSet } }
        set { lock.withLock { isSet = newValue } }
    }
}

func runUntilInterrupted() throws {
    // snippet.show
    let waiter = try SignalWaiter(.sigint, .sigterm)  // before the threads: nothing is lost from here on
    let stop = Flag()
    let worker = Thread {
        while !stop.value { Thread.sleep(forTimeInterval: 0.01) }
        print("worker: done")
    }
    worker.start()

    if let event = waiter.next() {  // sleeps, and takes no CPU
        print("main: \(event)")
    }
    stop.value = true
    while !worker.isFinished { Thread.sleep(forTimeInterval: 0.01) }
    // snippet.hide
}

try runUntilInterrupted()
