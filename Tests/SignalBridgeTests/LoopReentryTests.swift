// drain() while a thread is inside the loop. A host's event loop does that in a callback that runs the loop, or on two
// threads.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Reentry into a loop") struct LoopReentryTests {
    @Test("drain() inside a job returns at once, leaves the descriptor readable, and what is left runs afterwards")
    func insideJob() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            let log = Shared<[String]>([])
            await onThread {
                Task(executorPreference: loop) {
                    Task(executorPreference: loop) { log { $0.append("second job") } }
                    again { loop.drain() }
                    log { $0.append("first job, readable: \(isReadable(loop))") }
                }
                loop.drain()
                #expect(log.now.first == "first job, readable: true")
                while isReadable(loop) { loop.drain() }
                #expect(log.now.count == 2, "\(log.now)")
            }
        }
    }

    @Test("drain() inside enter() returns at once, and leaves the descriptor readable")
    func insideEnter() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            let ran = Shared(false)
            await onThread {
                loop.enter {
                    _ = Task(executorPreference: loop) { ran { $0 = true } }
                    loop.drain()
                    #expect(!ran.now && isReadable(loop))
                }
                #expect(!ran.now && isReadable(loop))
                while isReadable(loop) { loop.drain() }
                #expect(ran.now)
            }
        }
    }

    @Test("drain() while another thread is inside returns at once, and leaves the descriptor readable")
    func otherThread() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            let (inside, leave) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            Task(executorPreference: loop) { block(inside, leave) }
            async let draining: Void = onThread { loop.drain() }
            await onThread {
                inside.wait()
                loop.drain()
                #expect(isReadable(loop))
                leave.signal()
            }
            await draining
            #expect(isReadable(loop), "it is asked to come again")
        }
    }

    #if os(Linux)
        @Test("A signal whose edge a nested drain() used up is delivered after the outer one")
        func edge() async {
            await #expect(processExitsWith: .success) {
                limit()
                let loop = try SignalLoop()
                let events = try SignalEvents(.sigusr1, loop: loop)
                await onThread {
                    let poller = EdgePoller(loop.fileDescriptor)
                    let count = Shared(0)
                    Task(executorPreference: loop) { for await event in events { count { $0 += event.count } } }
                    while poller.wait(milliseconds: 0) { loop.drain() }
                    Task(executorPreference: loop) {
                        again {  // a callback that runs the host's loop
                            raise(SIGUSR1)
                            while poller.wait(milliseconds: 0) {
                                loop.drain()
                                if count.now == 0 { break }
                            }
                        }
                    }
                    for _ in 0..<10 where count.now == 0 && poller.wait(milliseconds: 10_000) { loop.drain() }
                    #expect(count.now == 1)
                }
            }
        }
    #endif

    @Test(
        "A host that re-enters its loop, with jobs, signals and other threads, runs everything once",
        arguments: mechanisms, hosts.filter { $0 != "run" })
    func storm(mechanism: String, host: String) async {
        await #expect(processExitsWith: .success) { [mechanism, host] in
            limit()
            let rounds = underThreadSanitizer || underAddressSanitizer ? 5000 : 100_000
            let loop = try makeLoop(mechanism)
            let nested = NestedHost(loop, host)
            let events = Shared<SignalEvents?>(nil)
            let left = DispatchSemaphore(value: 0)
            let started = DispatchSemaphore(value: 0)
            startThread {
                events { $0 = try? SignalEvents(.sigusr1, loop: loop) }
                started.signal()
                nested.serve()
                left.signal()
            }
            await onThread { started.wait() }
            let subscription = try #require(events.now)
            let received = Shared(0)
            let listening = Task(executorPreference: loop) {
                for await event in subscription {
                    received { $0 += event.count }
                    nested.iterate()
                }
            }
            let stop = Shared(false)
            for _ in 0..<2 {  // other threads that answer the descriptor now and then
                startThread {
                    while !stop.now {
                        loop.drain()
                        usleep(500)
                    }
                }
            }
            async let delivered: Void = deliver(.sigusr1, times: rounds / 20)
            let ran = Shared((0, 0))
            await withTaskGroup(of: Void.self) { group in
                group.addTask {  // each round waits for its job: one missed wake-up, and it hangs
                    await onThread {
                        let done = DispatchSemaphore(value: 0)
                        for round in 0..<rounds {
                            Task(executorPreference: loop) {
                                if round % 3 == 0 { nested.iterate() }
                                ran { $0.0 += 1 }
                                done.signal()
                            }
                            if round % 8 != 7 { continue }
                            for _ in 0..<8 { done.wait() }
                        }
                    }
                }
                group.addTask {
                    for round in 0..<rounds / 10 {
                        await Task(executorPreference: loop) {
                            if round % 2 == 0 { nested.iterate() }
                            ran { $0.1 += 1 }
                        }.value
                    }
                }
            }
            await delivered
            #expect(await eventually { received.now == rounds / 20 }, "\(received.now) signals of \(rounds / 20)")
            #expect(ran.now == (rounds, rounds / 10))
            #expect(nested.depth.now == 0 && nested.reentered.now > 0)
            stop { $0 = true }
            subscription.finish()
            await listening.value
            nested.end { $0 = true }
            Task(executorPreference: loop) {}
            await onThread { left.wait() }
        }
    }
}

/// A host's event loop, which its callbacks may run again.
private final class NestedHost: Sendable {
    let loop: SignalLoop
    let end = Shared(false)
    let depth = Shared(0)
    let reentered = Shared(0)
    private let poll: @Sendable (Int32) -> Bool

    init(_ loop: SignalLoop, _ host: String) {
        self.loop = loop
        #if os(Linux)
            if host == "edge" {
                let poller = EdgePoller(loop.fileDescriptor)
                poll = { poller.wait(milliseconds: $0) }
                return
            }
        #endif
        poll = { milliseconds in
            var polled = pollfd(fd: loop.fileDescriptor, events: Int16(POLLIN), revents: 0)
            return Foundation.poll(&polled, 1, milliseconds) == 1
        }
    }

    func serve() {
        while !end.now {
            if poll(-1) { loop.drain() }
        }
    }

    /// Runs the ready callbacks inside a callback.
    func iterate() {
        depth { $0 += 1 }
        if poll(0) {
            reentered { $0 += 1 }
            again { loop.drain() }
        }
        depth { $0 -= 1 }
    }
}

/// A synchronous function: in an asynchronous one the compiler refuses what blocks.
private func again(_ body: () -> Void) { body() }

private func block(_ inside: DispatchSemaphore, _ leave: DispatchSemaphore) {
    inside.signal()
    leave.wait()
}
