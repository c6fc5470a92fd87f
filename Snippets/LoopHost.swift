// snippet.hide
// A loop inside the event loop of a host, which polls one more descriptor.
// signals: USR1 TERM
import SignalBridge

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// snippet.show
actor Statistics {
    private let loop: SignalLoop  // an actor keeps the loop that it lives on
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private var ticks = 0
    private(set) var isOver = false

    init(on loop: SignalLoop) { self.loop = loop }

    func tick() { ticks += 1 }

    func report(_ events: SignalEvents) async {
        for await event in events {
            if event.signal == .sigterm { break }
            print("\(ticks) ticks, asked by \(event)")
        }
        isOver = true
    }
}

let loop = try SignalLoop()
let statistics = Statistics(on: loop)
let events = try SignalEvents(.sigusr1, .sigterm, loop: loop)
Task(executorPreference: loop) { await statistics.report(events) }

loop.drain()  // runs the task up to its first wait
var isOver = false
while !isOver {
    var polled = pollfd(fd: loop.fileDescriptor, events: Int16(POLLIN), revents: 0)  // and what else the host polls
    poll(&polled, 1, 20)
    if polled.revents != 0 { loop.drain() }
    isOver = loop.enter {  // a callback of the host's, as of a timer: on the loop's thread, and not in a job
        statistics.assumeIsolated { statistics in
            statistics.tick()
            return statistics.isOver
        }
    }
}
