// A loop's calls: run, stop, enter, and the threads that make them.
import Foundation
import SignalBridge
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

    @Test("The thread that resumes the last task may be the last that has the loop")
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
}

private enum Values {
    @TaskLocal static var word = ""
}

private func visit(_ resident: Resident) { resident.assumeIsolated { _ = $0.threads.insert(thisThread()) } }

private func enter(_ loop: SignalLoop, _ resident: Resident) { loop.enter { visit(resident) } }
