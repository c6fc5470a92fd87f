// Delivery to a thread that waits.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("SignalWaiter") struct WaiterTests {
    @Test("next() returns events in order, and nothing is lost between two calls", .enabled(if: hasRealtimeSignals))
    func inOrder() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sighup, .sigint, .realtime(0), options: .everyDelivery)
            let signals = await onThread { () -> [SignalNumber?] in
                let sent = [SignalNumber.sighup, .sigint, .realtime(0), .sighup]
                for signal in sent { raise(signal.rawValue) }
                return sent.map { _ in waiter.next()?.signal } + [waiter.next(timeout: .zero)?.signal]
            }
            #expect(signals == [.sighup, .sigint, .realtime(0), .sighup, nil])
        }
    }

    @Test("next(timeout:) waits as long as it was told, and returns at once when a signal comes")
    func timeout() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sighup)
            await onThread {
                let (first, firstSeconds) = timed { waiter.next(timeout: .milliseconds(200)) }
                #expect(first == nil && firstSeconds >= 0.2)
                let (second, secondSeconds) = timed { waiter.next(timeout: .zero) }
                #expect(second == nil && secondSeconds < 20)
                let (third, thirdSeconds) = timed { waiter.next(timeout: .seconds(-5)) }
                #expect(third == nil && thirdSeconds < 20)
                let sender = spawnShell("sleep 0.2; kill -HUP \(getpid())")
                let (fourth, fourthSeconds) = timed { waiter.next(timeout: .seconds(120)) }
                #expect(fourth?.signal == .sighup && fourthSeconds < 100)
                reap(sender)
            }
        }
    }

    @Test("Other signals do not shorten a wait")
    func interrupted() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigusr2)
            let waiter = try SignalWaiter(.sighup)
            let other = try SignalEvents(.sigusr1)
            await onThread {
                let me = Shared(pthread_self())
                let sent = DispatchSemaphore(value: 0)
                startThread {
                    for _ in 0..<20 {
                        pthread_kill(me.now, SIGUSR2)
                        pthread_kill(me.now, SIGUSR1)
                        usleep(10_000)
                    }
                    sent.signal()
                }
                let (event, seconds) = timed { waiter.next(timeout: .milliseconds(400)) }
                #expect(event == nil && seconds >= 0.4)
                sent.wait()
            }
            #expect(handledCount > 0)
            other.finish()
        }
    }

    @Test("A signal ends a wait with a very long timeout")
    func longTimeout() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sighup)
            for timeout in [Duration.seconds(Int64.max), .seconds(1 << 40), .milliseconds(1 << 31), .seconds(1 << 31)] {
                async let event = onThread { waiter.next(timeout: timeout) }
                try await Task.sleep(for: .milliseconds(100))
                await deliver(.sighup)
                #expect(await event?.signal == .sighup, "\(timeout)")
            }
        }
    }

    @Test(
        "No duration is too long for a timeout",
        arguments: [
            Duration.seconds(1e19), .seconds(9_223_372_036_854_775) + .milliseconds(900), .seconds(Int64.max),
        ])
    func durations(timeout: Duration) async {
        await #expect(processExitsWith: .success) { [timeout] in
            limit()
            let waiter = try SignalWaiter(.sigusr1)
            waiter.wake()
            await onThread { #expect(waiter.next(timeout: timeout) == nil) }
        }
    }

    @Test("Each event goes to one of several threads that wait", .enabled(if: hasRealtimeSignals))
    func manyThreads() async {
        await #expect(processExitsWith: .success) {
            limit()
            let total = flood(4000)
            let signal = SignalNumber.realtime(0)
            let waiter = try SignalWaiter(signal)
            let values = Shared<[Int]>([])
            let ended = Shared(0)
            for _ in 0..<4 {
                startThread {
                    while let event = waiter.next() { values { $0.append(event.value ?? -1) } }
                    ended { $0 += 1 }
                }
            }
            await deliver(signal, values: 0..<total)
            #expect(await eventually { values.now.count >= total }, "\(values.now.count) of \(total)")
            #expect(values.now.sorted() == Array(0..<total))
            waiter.cancel()
            #expect(await eventually { ended.now == 4 }, "cancel() ends all of them: \(ended.now)")
        }
    }

    @Test("cancel() ends calls that wait and later ones, and restores the dispositions")
    func cancel() async {
        await #expect(processExitsWith: .success) {
            limit()
            for round in 0..<flood(200) {
                let waiter = try SignalWaiter(.sigterm, .sigint)
                async let first = onThread { waiter.next() }
                async let second = onThread { waiter.next(timeout: .seconds(1000)) }
                for _ in 0..<round * 20 { _ = getppid() }
                waiter.cancel()
                waiter.cancel()
                #expect(await first == nil)
                #expect(await second == nil)
                #expect(disposition(of: .sigterm) == .default)
                let later = await onThread { waiter.next() }
                #expect(later == nil)
            }
        }
    }

    @Test("Unread standard signals coalesce in a waiter too", .enabled(if: hasRealtimeSignals))
    func merging() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sighup, .realtime(0))
            let all = await onThread { () -> [SignalEvent] in
                for _ in 0..<5 { raise(SIGHUP) }
                raise(SignalNumber.realtime(0).rawValue)
                raise(SIGHUP)
                return (0..<2).compactMap { _ in waiter.next() }
            }
            #expect(all.map(\.signal) == [.sighup, .realtime(0)])
            #expect(all.map(\.count) == [6, 1], "\(all)")
        }
    }

    @Test("A thread that waits for SIGINT sleeps, and then stops the worker threads")
    func workerThreads() async {
        await #expect(processExitsWith: .success) {
            limit()
            let stopped = await onThread { () -> Int in
                let stop = NSCondition()
                let state = Shared((stopping: false, stopped: 0))
                do {
                    let waiter = try SignalWaiter(.sigint)
                    for _ in 0..<3 {
                        Thread.detachNewThread {
                            stop.lock()
                            while !state.now.stopping { stop.wait() }
                            state { $0.stopped += 1 }
                            stop.broadcast()
                            stop.unlock()
                        }
                    }
                    let sender = spawnShell("sleep 2; kill -INT \(getpid())")
                    let before = threadUsage()
                    let event = waiter.next()
                    let after = threadUsage()
                    // The thread sanitizer's own work took more than 0.02 s once, on a busy machine.
                    let most = underThreadSanitizer ? 0.2 : 0.02
                    #expect(after.cpu - before.cpu < most, "the waiting thread slept")
                    #expect(after.sleeps - before.sleeps <= 4, "and was not woken")
                    #expect(event?.signal == .sigint)
                    #expect(event?.sender?.processID == sender)
                    reap(sender)
                } catch { Issue.record(error) }
                stop.lock()
                state { $0.stopping = true }
                stop.broadcast()
                while state.now.stopped < 3 { stop.wait() }
                stop.unlock()
                return state.now.stopped
            }
            #expect(stopped == 3)
        }
    }
}

private func timed(_ body: () -> SignalEvent?) -> (SignalEvent?, Double) {
    let start = ProcessInfo.processInfo.systemUptime
    let event = body()
    return (event, ProcessInfo.processInfo.systemUptime - start)
}

/// Seconds that the calling thread has computed, and how often it has slept; 0 on systems without /proc.
private func threadUsage() -> (cpu: Double, sleeps: Int) {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    let status = (try? String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches:") }
    let sleeps = line?.split(separator: "\t").last.flatMap { Int($0) } ?? 0
    return (Double(time.tv_sec) + Double(time.tv_nsec) / 1e9, sleeps)
}
