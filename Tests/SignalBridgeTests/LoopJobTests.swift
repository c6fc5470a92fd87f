// The jobs of a loop: each runs once, on the loop's thread, in order, and no wake-up is lost.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Jobs of a loop") struct LoopJobTests {
    @Test(
        "Jobs of eight threads each run once, in their sender's order, on the loop's thread",
        .enabled(if: hasRealtimeSignals),
        arguments: mechanisms, hosts)
    func manySenders(mechanism: String, host: String) async {
        await #expect(processExitsWith: .success) { [mechanism, host] in
            limit()
            let jobs = flood(100_000) / 8
            let signals = flood(2000)
            let loop = try makeLoop(mechanism)
            let record = Record()  // touched by jobs alone
            let events = Shared<SignalEvents?>(nil)
            let server = Server(loop, by: host) {
                events { $0 = try? SignalEvents(.sigusr1, .realtime(0), loop: loop) }
            }
            let subscription = try #require(events.now)
            let listening = Task(executorPreference: loop) {
                var counts: [SignalNumber: Int] = [:]
                for await event in subscription {
                    record.threads.insert(thisThread())
                    counts[event.signal, default: 0] += event.count
                }
                return counts
            }
            async let delivered: Void = deliver(.sigusr1, .realtime(0), times: signals)
            await withTaskGroup(of: Void.self) { group in
                for sender in 0..<8 {
                    group.addTask {
                        await onThread {
                            for number in 0..<jobs {
                                Task(executorPreference: loop) { record.add(number, from: sender) }
                            }
                        }
                    }
                }
            }
            await delivered
            subscription.finish()
            #expect(await listening.value == [.sigusr1: signals, .realtime(0): signals])
            server.leave()
            #expect(record.numbers.map(\.count) == Array(repeating: jobs, count: 8))
            #expect(record.numbers.allSatisfy { $0 == Array(0..<jobs) }, "in order")
            #expect(record.threads == [server.thread])
        }
    }

    @Test("No wake-up is lost where a loop gets one job at a time", arguments: mechanisms, hosts)
    func pingPong(mechanism: String, host: String) async {
        await #expect(processExitsWith: .success) { [mechanism, host] in
            limit()
            let loop = try makeLoop(mechanism)
            let server = Server(loop, by: host)
            await onThread {
                let done = DispatchSemaphore(value: 0)
                for round in 0..<flood(20_000) {
                    Task(executorPreference: loop) { _ = done.signal() }
                    for _ in 0..<round % 50 { _ = getppid() }
                    done.wait()
                }
            }
            server.leave()
        }
    }

    @Test(
        "No wake-up is lost where other threads subscribe meanwhile, which empties the descriptor",
        arguments: mechanisms,
        hosts)
    func subscribing(mechanism: String, host: String) async {
        await #expect(processExitsWith: .success) { [mechanism, host] in
            limit()
            let loop = try makeLoop(mechanism)
            let server = Server(loop, by: host)
            let stop = Shared(false)
            async let subscribing: Void = onThread {
                while !stop.now { try? SignalEvents(.sigusr2, loop: loop).finish() }
            }
            await onThread {
                let done = DispatchSemaphore(value: 0)
                for _ in 0..<flood(20_000) {
                    Task(executorPreference: loop) { _ = done.signal() }
                    done.wait()
                }
            }
            stop { $0 = true }
            await subscribing
            server.leave()
        }
    }

    @Test("A burst of jobs makes one wake-up, and jobs that jobs enqueue make none")
    func oneWake() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            await onThread {
                for _ in 0..<1000 { Task(executorPreference: loop) {} }
                #expect(bytes(in: loop) == 1)
                let during = Shared<[Int]>([])
                Task(executorPreference: loop) {
                    for _ in 0..<10 { Task(executorPreference: loop) { during { $0.append(bytes(in: loop)) } } }
                    onThreadAndWait { for _ in 0..<10 { Task(executorPreference: loop) {} } }
                    during { $0.append(bytes(in: loop)) }
                }
                loop.drain()
                #expect(during.now == Array(repeating: 0, count: 11))
                #expect(bytes(in: loop) == 0)
            }
        }
    }

    @Test(
        "drain() is bounded: jobs that yield for ever do not keep it, and it asks to be called again", arguments: hosts)
    func bounded(host: String) async {
        await #expect(processExitsWith: .success) { [host] in
            limit()
            let loop = try SignalLoop()
            let turns = Shared(0)
            let end = Shared(false)
            Task(executorPreference: loop) {
                while !end.now {
                    turns { $0 += 1 }
                    await Task.yield()
                }
            }
            await onThread {
                loop.drain()
                #expect(turns.now > 0 && isReadable(loop))
                let before = turns.now
                loop.drain()
                #expect(turns.now > before && isReadable(loop))
            }
            let server = Server(loop, by: host)
            let before = turns.now
            #expect(await eventually { turns.now > before + 100_000 }, "a host goes on calling")
            end { $0 = true }
            server.leave()
        }
    }

    @Test("drain() runs all jobs that were ready when it began")
    func allThatWasReady() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            let ran = Shared(0)
            await onThread {
                loop.drain()  // before anything, before any poll
                for _ in 0..<20_000 { Task(executorPreference: loop) { ran { $0 += 1 } } }
                #expect(isReadable(loop))
                loop.drain()
                #expect(ran.now == 20_000, "\(ran.now)")
                #expect(!isReadable(loop))
            }
        }
    }
}

/// For jobs of one loop, so for one thread at a time.
private final class Record: @unchecked Sendable {
    var numbers = Array(repeating: [Int](), count: 8)
    var threads: Set<UInt> = []

    func add(_ number: Int, from sender: Int) {
        numbers[sender].append(number)
        threads.insert(thisThread())
    }
}

/// The wake-ups in the pipe of a loop with handlers.
private func bytes(in loop: SignalLoop) -> Int {
    #if canImport(Darwin)
        let request: UInt = 0x4004_667f  // FIONREAD, which Swift does not import there
    #else
        let request = UInt(FIONREAD)
    #endif
    var count: Int32 = 0
    _ = ioctl(loop.fileDescriptor, request, &count)
    return Int(count)
}
