// Four small programs, as a user would write them.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite struct SmallPrograms {
    @Test("a handler for each signal, called in order as the program yields")
    func handlerTable() async {
        await #expect(processExitsWith: .success) { @MainActor in
            limit()
            let log = Shared<[String]>([])
            let handlers: [SignalNumber: @Sendable (SignalEvent) -> Void] = [
                .sighup: { event in log { $0.append("reload \(event.signal)") } },
                .sigusr1: { event in log { $0.append("rotate \(event.signal)") } },
                .sigint: { event in log { $0.append("end \(event.signal)") } },
            ]
            let events = try SignalEvents(handlers.keys, options: .everyDelivery)
            let task = Task { @MainActor in
                for await event in events {
                    handlers[event.signal]?(event)
                    if event.signal == .sigint { break }
                }
            }
            onThreadAndWait { for signal in [SIGHUP, SIGHUP, SIGUSR1, SIGINT] { raise(signal) } }
            usleep(50_000)
            #expect(log.now.isEmpty, "nothing is handled before the program yields")
            await task.value
            #expect(log.now == ["reload SIGHUP", "reload SIGHUP", "rotate SIGUSR1", "end SIGINT"])
        }
    }

    @Test("a receiver loop over two signals that ends on TERM")
    func receiverLoop() async {
        await #expect(processExitsWith: .success) {
            limit()
            var reloads = 0
            try await withSignalEvents(.sighup, .sigterm) { events in
                try SignalNumber.sighup.send(to: getpid())
                loop: for await event in events {
                    switch event.signal {
                    case .sighup:
                        reloads += event.count
                        try (reloads < 3 ? SignalNumber.sighup : .sigterm).send(to: getpid())
                    default: break loop
                    }
                }
            }
            #expect(reloads == 3)
        }
    }

    @Test("a signal that cancels a task group")
    func taskGroup() async {
        await #expect(processExitsWith: .success) {
            limit()
            let cancelled = Shared(0)
            let events = try SignalEvents(.sigint, .sigterm)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        do { try await Task.sleep(for: .seconds(1000)) } catch { cancelled { $0 += 1 } }
                    }
                }
                kill(getpid(), SIGTERM)
                for await event in events {
                    #expect(event.signal == .sigterm)
                    group.cancelAll()
                    break
                }
            }
            #expect(cancelled.now == 4)
        }
    }

    @Test("G13: worker threads are stopped by a thread that slept, using no CPU, until SIGINT came")
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
                    let sender = spawnShell("sleep 1; kill -INT \(getpid())")
                    let before = cpuTime()
                    let event = waiter.next()
                    #expect(cpuTime() - before < 0.02, "the waiting thread slept")
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

/// Seconds that the calling thread has computed.
private func cpuTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
