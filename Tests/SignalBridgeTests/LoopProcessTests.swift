// The effects of a loop on its process: none while it is idle, none after its end, and a clear message at misuse.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("A loop and its process") struct LoopProcessTests {
    #if os(Linux)
        @Test(
            "A loop that waits takes no CPU time, wakes no thread and starts none", .enabled(if: !underThreadSanitizer),
            arguments: mechanisms, hosts)
        func idle(mechanism: String, host: String) async {
            await #expect(processExitsWith: .success) { [mechanism, host] in
                limit()
                let loop = try makeLoop(mechanism)
                let events = Shared<SignalEvents?>(nil)
                let server = Server(loop, by: host) { events { $0 = try? SignalEvents(.sigusr1, loop: loop) } }
                let subscription = try #require(events.now)
                let resident = Resident(on: loop)
                let listening = Task { await resident.listen(to: subscription, deliveries: 2) }
                kill(getpid(), SIGUSR1)
                #expect(await soon { await resident.events.deliveries == 1 })  // everything has run once
                await onThread {
                    usleep(500_000)
                    let before = activity()
                    usleep(1_500_000)
                    let after = activity()
                    #expect(
                        after.wakeUps - before.wakeUps <= 3, "\(after.wakeUps - before.wakeUps); one is this thread's")
                    #expect(after.cpu - before.cpu < 0.05, "\(after.cpu - before.cpu) s")
                    #expect(after.threads.isSubset(of: before.threads))
                }
                kill(getpid(), SIGUSR1)
                await listening.value
                server.leave()
            }
        }

        @Test("A loop starts no thread", arguments: mechanisms)
        func threads(mechanism: String) async {
            await #expect(processExitsWith: .success) { [mechanism] in
                limit()
                try await onThread {
                    Swift.Result {
                        _ = try SignalLoop().run { await Task.yield() }  // the runtime has what it needs
                        let before = activity().threads
                        let loop = try makeLoop(mechanism)
                        let events = try SignalEvents(.sigusr1, loop: loop)
                        let during = try loop.run {
                            raise(SIGUSR1)
                            for await _ in events { break }
                            return activity().threads
                        }
                        #expect(during.isSubset(of: before))
                    }
                }.get()
            }
        }
    #endif

    @Test("A loop that is released has restored dispositions, and closes its descriptors", arguments: mechanisms)
    func leavesNothing(mechanism: String) async {
        await #expect(processExitsWith: .success) { [mechanism] in
            limit()
            install(countingHandler, for: .sigusr1, mask: [.sigwinch])
            let before = action(of: .sigusr1)
            await onThread {
                func once() throws {
                    let loop = try makeLoop(mechanism)
                    let events = try SignalEvents(.sigusr1, loop: loop)
                    #expect(action(of: .sigusr1) != before)
                    Task(executorPreference: loop) { for await _ in events {} }
                    raise(SIGUSR1)
                    loop.drain()
                    events.finish()
                    loop.drain()
                }
                try? once()
                let descriptors = openDescriptors()
                for _ in 0..<200 { #expect(throws: Never.self) { try once() } }  // more than there are bridges
                #expect(openDescriptors().subtracting(descriptors).count <= 3)  // the test library has some of its own
                #expect(action(of: .sigusr1) == before)
                var mask = sigset_t()
                pthread_sigmask(SIG_SETMASK, nil, &mask)
                #expect(sigismember(&mask, SIGUSR1) == 0)
                raise(SIGUSR1)
            }
            #expect(handledCount == 1)
        }
    }

    @Test("A job that runs its own loop, and a second thread in run() or enter(), stop the program", arguments: 0..<5)
    func misuse(way: Int) async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [way] in
            limit()
            let loop = try SignalLoop()
            await onThread {
                switch way {
                case 0:
                    Task(executorPreference: loop) { nested { loop.run() } }
                    loop.drain()
                case 1:
                    Task(executorPreference: loop) { nested { loop.run() } }
                    loop.run()
                case 2:
                    loop.enter { loop.run() }
                case 3:
                    Task(executorPreference: loop) { onThreadAndWait { loop.run() } }
                    loop.drain()
                default:
                    Task(executorPreference: loop) { onThreadAndWait { loop.enter {} } }
                    loop.drain()
                }
                _exit(0)
            }
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains(way >= 3 ? "one at a time" : "by one of its own jobs"), "\(text)")
    }

    @Test("assumeIsolated off the loop's thread stops the program", arguments: [true, false])
    func notOnTheLoop(whileAnotherIsInside: Bool) async {
        await #expect(processExitsWith: .failure) { [whileAnotherIsInside] in
            limit()
            let loop = try SignalLoop()
            let server = whileAnotherIsInside ? Server(loop) : nil
            await onThread {
                Resident(on: loop).assumeIsolated { _ in }
                _exit(0)
            }
            server?.leave()
        }
    }
}

private func nested(_ body: () -> Void) { body() }

private func openDescriptors() -> Set<Int32> {
    Set((0..<256).filter { fcntl($0, F_GETFD) >= 0 })
}

#if os(Linux)
    /// The threads of the process, how often they have slept, and their CPU time.
    private func activity() -> (wakeUps: Int, threads: Set<String>, cpu: Double) {
        var wakeUps = 0
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        for thread in threads {
            let status = (try? String(contentsOfFile: "/proc/self/task/\(thread)/status", encoding: .utf8)) ?? ""
            let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches:") }
            wakeUps += line?.split(separator: "\t").last.flatMap { Int($0) } ?? 0
        }
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return (wakeUps, Set(threads), Double(time.tv_sec) + Double(time.tv_nsec) / 1e9)
    }
#endif
