// Shared by the tests of SignalLoop.
import Foundation
import SignalBridge
import TestSupport
import Testing

/// Each way to get signals into a loop that this system has. Names, because an exit test can capture those.
#if os(Linux)
    let mechanisms = ["handler", "signalfd"]
#else
    let mechanisms = ["handler"]
#endif

func makeLoop(_ mechanism: String) throws -> SignalLoop {
    try SignalLoop(mechanism: mechanism == "signalfd" ? .signalfd : .handler)
}

/// Each way in which a thread serves a loop. None of them has a timeout, so one lost wake-up makes the test hang.
#if os(Linux)
    let hosts = ["run", "poll", "edge"]
#else
    let hosts = ["run", "poll"]
#endif

/// On this thread, until a job of the loop sets `end`; with `run`, until `stop()`.
func serve(_ loop: SignalLoop, by host: String, until end: Shared<Bool>) {
    switch host {
    case "run":
        loop.run()
    case "poll":
        while !end.now {
            var polled = pollfd(fd: loop.fileDescriptor, events: Int16(POLLIN), revents: 0)
            if poll(&polled, 1, -1) == 1 { loop.drain() }
        }
    default:
        #if os(Linux)
            let epoll = EdgePoller(loop.fileDescriptor)
            while !end.now {
                if epoll.wait() { loop.drain() }
            }
        #endif
    }
}

#if os(Linux)
    /// An edge-triggered epoll, which Swift does not import.
    final class EdgePoller: Sendable {
        private typealias Create = @convention(c) (Int32) -> Int32
        private typealias Control = @convention(c) (Int32, Int32, Int32, UnsafeMutableRawPointer) -> Int32
        private typealias Wait = @convention(c) (Int32, UnsafeMutableRawPointer, Int32, Int32) -> Int32
        private let epoll = unsafeBitCast(dlsym(nil, "epoll_create1"), to: Create.self)(0)
        private let epollWait = unsafeBitCast(dlsym(nil, "epoll_wait"), to: Wait.self)
        init(_ descriptor: Int32) {
            var event: [UInt32] = [1 | 1 << 31, 0, 0, 0]  // EPOLLIN | EPOLLET, and room for the data
            let result = unsafeBitCast(dlsym(nil, "epoll_ctl"), to: Control.self)(epoll, 1, descriptor, &event)
            precondition(result == 0)
        }

        func wait(milliseconds: Int32 = -1) -> Bool {
            var event: [UInt32] = [0, 0, 0, 0]
            return epollWait(epoll, &event, 1, milliseconds) == 1
        }

        deinit { close(epoll) }
    }
#endif

/// A thread that serves the loop until `leave()`.
final class Server: Sendable {
    let loop: SignalLoop
    private let end = Shared(false)
    private let left = DispatchSemaphore(value: 0)
    private let number = Shared<UInt>(0)

    init(_ loop: SignalLoop, by host: String = "run", first: @escaping @Sendable () -> Void = {}) {
        self.loop = loop
        let started = DispatchSemaphore(value: 0)
        startThread { [self] in
            number { $0 = thisThread() }
            first()
            started.signal()
            serve(loop, by: host, until: end)
            left.signal()
        }
        started.wait()
    }

    var thread: UInt { number.now }

    func leave() {
        Task(executorPreference: loop) { [end, loop] in
            end { $0 = true }
            loop.stop()
        }
        left.wait()
    }
}

#if os(Linux)
    func thisThread() -> UInt { pthread_self() }
#else
    func thisThread() -> UInt { UInt(bitPattern: pthread_self()) }
#endif

/// Whether a host would call `drain()` now.
func isReadable(_ loop: SignalLoop) -> Bool {
    var polled = pollfd(fd: loop.fileDescriptor, events: Int16(POLLIN), revents: 0)
    return poll(&polled, 1, 0) == 1
}

/// An actor that lives on a loop.
actor Resident {
    let loop: SignalLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    var threads: Set<UInt> = []
    var events: [SignalEvent] = []

    init(on loop: SignalLoop) { self.loop = loop }

    func visit() { threads.insert(thisThread()) }

    func listen(to source: SignalEvents, deliveries: Int) async {
        visit()
        for await event in source {
            visit()
            events.append(event)
            if events.deliveries >= deliveries { return }
        }
    }
}

/// `eventually`, for what an actor knows.
func soon(_ condition: () async -> Bool) async -> Bool {
    for _ in 0..<Int(patience) * 250 {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(2))
    }
    return false
}
