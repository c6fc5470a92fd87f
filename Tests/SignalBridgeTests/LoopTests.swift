// A loop's calls: run, stop, enter, and the threads that make them.
import Foundation
import SignalBridge
import Synchronization
import TestSupport
import Testing

@Suite("SignalLoop") struct LoopTests {
    @Test("run(body) runs body on this thread, and gives what it returns or throws", arguments: mechanisms)
    func body(mechanism: String) async {
        await #expect(processExitsWith: .success) { [mechanism] in
            limit()
            let loop = try makeLoop(mechanism)
            await onThread {
                let here = thisThread()
                let threads = try? loop.run { () async -> [UInt] in
                    var threads = [thisThread()]
                    await Task.yield()
                    threads.append(thisThread())
                    try? await Task.sleep(for: .milliseconds(5))
                    threads.append(thisThread())
                    let resident = Resident(on: loop)
                    await resident.visit()
                    threads += await resident.threads
                    async let child = thisThread()
                    threads.append(await child)
                    return threads
                }
                #expect(threads == Array(repeating: here, count: 5))
                #expect(throws: CancellationError.self) {
                    try loop.run { throw CancellationError() }
                }
                #expect((try? loop.run { 7 }) == 7, "and again")
            }
        }
    }

    @Test("run(body) leaves other jobs queued, and takes the caller's task-local values along")
    func bodyLeaves() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            let ran = Shared(false)
            await onThread {
                Task(executorPreference: loop) {
                    while !ran.now { try? await Task.sleep(for: .milliseconds(1)) }
                    loop.stop()
                }
                #expect((try? Values.$word.withValue("mine") { try loop.run { Values.word } }) == "mine")
                ran { $0 = true }
                loop.run()
            }
        }
    }

    @Test("run(body) takes a body that captures what is not Sendable")
    func bodyWithState() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            await onThread {
                final class Counter { var value = 0 }
                let counter = Counter()
                let result = try? loop.run {
                    counter.value += 1
                    await Task.yield()
                    return counter.value
                }
                #expect(result == 1)
            }
        }
    }

    @Test("stop() ends run(): from a job, from another thread, before it began, and twice", arguments: mechanisms)
    func stop(mechanism: String) async {
        await #expect(processExitsWith: .success) { [mechanism] in
            limit()
            let loop = try makeLoop(mechanism)
            await onThread {
                Task(executorPreference: loop) { loop.stop() }
                loop.run()
                for round in 0..<flood(1000) {
                    startThread {
                        for _ in 0..<round { _ = getppid() }
                        loop.stop()
                    }
                    loop.run()
                }
                loop.stop()
                loop.stop()
                loop.run()  // one drain, once: the next one goes on
                let ran = Shared(false)
                startThread {
                    usleep(100_000)
                    ran { $0 = true }
                    loop.stop()
                }
                loop.run()
                #expect(ran.now)
            }
        }
    }

    @Test("A stop() while run(body) runs is for the next run(), and what is left runs there")
    func stopDuringBody() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            await onThread {
                let turns = Shared(0)
                let result = try? loop.run {
                    loop.stop()
                    try await Task.sleep(for: .milliseconds(50))
                    return 1
                }
                #expect(result == 1)
                Task(executorPreference: loop) {
                    while true {
                        turns { $0 += 1 }
                        await Task.yield()
                    }
                }
                loop.run()
                let before = turns.now
                #expect(before > 0 && isReadable(loop), "what is left makes the descriptor readable")
                loop.stop()
                loop.run()
                #expect(turns.now > before)
            }
        }
    }

    @Test("assumeIsolated works on the loop's thread: in a task, in drain(), and in enter() between two drains")
    func isolation() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            let resident = Resident(on: loop)
            await onThread {
                Task(executorPreference: loop) { visit(resident) }
                loop.drain()
                loop.enter { visit(resident) }
                Task(executorPreference: loop) { enter(loop, resident) }
                loop.drain()
                let threads = loop.enter { resident.assumeIsolated { $0.threads } }
                #expect(threads == [thisThread()])
                #expect(!isReadable(loop))
                loop.enter { _ = Task(executorPreference: loop) { await resident.visit() } }
                #expect(isReadable(loop), "what it enqueued has its turn later")
                #expect(throws: CancellationError.self) { try loop.enter { throw CancellationError() } }
                loop.drain()
            }
        }
    }

    @Test("A loop may move from thread to thread between two drains")
    func moves() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            let resident = Resident(on: loop)
            for _ in 0..<50 {
                let enqueued = Task { await resident.visit() }
                let drained = Shared(false)
                async let draining: Void = onThread {
                    while !drained.now {
                        loop.drain()
                        usleep(100)
                    }
                }
                await enqueued.value
                drained { $0 = true }
                await draining
            }
        }
    }

    @Test("The thread that resumes the last task may hold the last reference to the loop")
    func lastReference() async {
        await #expect(processExitsWith: .success) {
            limit()
            let before = action(of: .sigusr1)
            let waiting = Shared<CheckedContinuation<Void, Never>?>(nil)
            let arrived = DispatchSemaphore(value: 0)
            let rounds = flood(5000)
            startThread {
                for _ in 0..<rounds {
                    arrived.wait()
                    let continuation = waiting { value in
                        defer { value = nil }
                        return value
                    }
                    continuation?.resume()
                }
            }
            await onThread {
                for _ in 0..<rounds {
                    guard let loop = try? SignalLoop() else { return }
                    let ended = Shared(false)
                    Task(executorPreference: loop) {
                        let events = try SignalEvents(.sigusr1, loop: loop)
                        await withCheckedContinuation { continuation in
                            waiting { $0 = continuation }
                            arrived.signal()
                        }
                        events.finish()
                        ended { $0 = true }
                    }
                    while !ended.now { loop.drain() }  // has the job before it is woken for it
                }
            }
            #expect(await eventually { action(of: .sigusr1) == before })
        }
    }

    #if os(Linux)
        /// A thread that writes a wake-up into a full pipe is held there, by a signal handler, until the loop is let go.
        @Test(
            "A thread that enqueues the last job keeps the loop until it has woken it",
            .enabled(if: !underThreadSanitizer, "the thread sanitizer runs a handler when a call returns"))
        func enqueueHoldsTheLoop() async {
            await #expect(processExitsWith: .success) {
                limit()
                fillFreedMemory()
                let loop = Shared<SignalLoop?>(try SignalLoop())
                let waiting = Shared<CheckedContinuation<Void, Never>?>(nil)
                let ended = Shared(false)
                await onThread { enqueueWaitingTask(on: loop, waiting, ended) }
                let pipe = fillPipe(of: loop)
                install(holdThread, for: .sigusr2, flags: SA_RESTART)
                let (resuming, left) = (Shared<pthread_t?>(nil), DispatchSemaphore(value: 0))
                startThread {
                    resuming { $0 = pthread_self() }
                    waiting.now?.resume()  // enqueues a job, and sleeps as it wakes the loop
                    left.signal()
                }
                #expect(await eventually { resuming.now != nil })
                await onThread {
                    usleep(100_000)
                    pthread_kill(resuming.now!, SIGUSR2)
                    while handledCount == 0 { usleep(1000) }
                    release(loop, after: ended)
                    releaseThread()
                    left.wait()
                }
                #expect(await eventually { fcntl(pipe, F_GETFD) < 0 }, "the loop is gone")
            }
        }
    #endif
}

private enum Values {
    @TaskLocal static var word = ""
}

private func visit(_ resident: Resident) { resident.assumeIsolated { _ = $0.threads.insert(thisThread()) } }

private func enter(_ loop: SignalLoop, _ resident: Resident) { loop.enter { visit(resident) } }

#if os(Linux)
    /// From now on freed memory is overwritten, so that a use of it is seen.
    private func fillFreedMemory() {
        typealias Option = @convention(c) (Int32, Int32) -> Int32
        if let option = dlsym(nil, "mallopt") { _ = unsafeBitCast(option, to: Option.self)(-6, 0x5a) }  // M_PERTURB
    }

    private func enqueueWaitingTask(
        on loop: Shared<SignalLoop?>, _ waiting: Shared<CheckedContinuation<Void, Never>?>, _ ended: Shared<Bool>
    ) {
        Task(executorPreference: loop.now) {
            await withCheckedContinuation { continuation in waiting { $0 = continuation } }
            ended { $0 = true }
        }
        while waiting.now == nil { loop.now?.drain() }
    }

    /// Returns the descriptor, both ends of the pipe, which blocks its writers now.
    private func fillPipe(of loop: Shared<SignalLoop?>) -> Int32 {
        let descriptor = loop.now?.fileDescriptor ?? -1
        while write(descriptor, "x", 1) == 1 {}
        #expect(errno == EAGAIN && fcntl(descriptor, F_SETFL, O_RDWR) == 0)
        return descriptor
    }

    private func release(_ loop: Shared<SignalLoop?>, after ended: Shared<Bool>) {
        while !ended.now { loop.now?.drain() }
        loop { $0 = nil }
    }

    /// Counts, and keeps the thread until `releaseThread`.
    private let holdThread: Handler = { _ in
        handled.add(1, ordering: .sequentiallyConsistent)
        while !isReleased.load(ordering: .sequentiallyConsistent) { usleep(1000) }
    }
    private let isReleased = Atomic(false)
    private func releaseThread() { isReleased.store(true, ordering: .sequentiallyConsistent) }
#endif
