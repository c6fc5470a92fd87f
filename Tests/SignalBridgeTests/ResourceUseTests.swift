// The resources that subscriptions use: no wake-up while no signal comes, and bounded memory in a storm.
import Foundation
import SignalBridge
import TestSupport
import Testing

#if os(Linux)
    @Suite("The resources of subscriptions") struct ResourceUseTests {
        @Test("Two idle seconds with every kind of subscription wake no thread", .enabled(if: !underThreadSanitizer))
        func idle() async {
            await #expect(processExitsWith: .success) {
                limit()
                let events = try SignalEvents(.sigterm, .sigusr1, options: .chain, escalateAfterUnread: 3)
                let callback = try SignalObserver(.sighup, .sigusr1) { _ in }
                let waiter = try SignalWaiter(.sigint, .sigusr1)
                let iterating = Task { for await _ in events {} }
                startThread { while waiter.next() != nil {} }
                await deliver(.sigusr1)  // everything has run once
                let (wakeUps, cpu, threads) = await onThread { () -> (Int, Double, Int) in
                    usleep(500_000)
                    let before = contextSwitches()
                    let time = processTime()
                    usleep(2_000_000)
                    let after = contextSwitches()
                    let wakeUps = after.reduce(0) { $0 + $1.value - (before[$1.key] ?? 0) }
                    return (wakeUps, processTime() - time, Set(after.keys).subtracting(before.keys).count)
                }
                #expect(wakeUps <= 4, "\(wakeUps) wake-ups; one is this thread's own")
                #expect(cpu < 0.05, "\(cpu) s")
                #expect(threads == 0, "\(threads) new threads")
                iterating.cancel()
                callback.cancel()
                waiter.cancel()
            }
        }

        @Test(
            "The memory for unread deliveries is bounded, whatever the storm",
            .enabled(if: !underThreadSanitizer && !underAddressSanitizer))
        func memory() async {
            await #expect(processExitsWith: .success) {
                limit()
                let events = try SignalEvents(.sigusr1, .realtime(0), options: .everyDelivery)
                await deliver(.sigusr1, times: flood(60_000))
                let first = residentPages()
                await deliver(.sigusr1, times: flood(200_000))
                let more = residentPages() - first
                #expect(more < 2048, "\(more) pages for deliveries past the limit")
                events.finish()
                #expect(await events.rest().deliveries == flood(60_000) + flood(200_000))
            }
        }

        @Test("Descriptors do not leak, and are closed on exec")
        func descriptors() async {
            await #expect(processExitsWith: .success) {
                limit()
                try SignalEvents(.sigusr1).finish()  // the shared bridge stays
                let before = openDescriptors()
                for _ in 0..<200 {
                    try SignalWaiter(.sigusr1).cancel()
                    try SignalObserver(.sigusr1) { _ in }.cancel()
                    try await withSignalEvents(.sigusr1) { _ in }
                }
                // Dispatch and the test library open and close a few of their own meanwhile.
                let few = await eventually { openDescriptors().count <= before.count + 3 }
                #expect(few, "\(openDescriptors().symmetricDifference(before))")
                let stable = openDescriptors()
                let waiter = try SignalWaiter(.sigusr1)
                let added = openDescriptors().subtracting(stable)
                #expect(
                    !added.isEmpty && added.allSatisfy { $0 > 2 && fcntl($0, F_GETFD) & FD_CLOEXEC != 0 }, "\(added)")
                withExtendedLifetime(waiter) {}
            }
        }
    }

    /// Each thread, with the number of times that it has slept.
    private func contextSwitches() -> [String: Int] {
        var switches: [String: Int] = [:]
        for thread in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? [] {
            guard let status = try? String(contentsOfFile: "/proc/self/task/\(thread)/status", encoding: .utf8) else {
                continue
            }
            let line = status.split(separator: "\n").first { $0.hasPrefix("voluntary_ctxt_switches:") }
            switches[thread] = line?.split(separator: "\t").last.flatMap { Int($0) } ?? 0
        }
        return switches
    }

    private func processTime() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private func residentPages() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    private func openDescriptors() -> Set<Int32> {
        Set((0..<256).filter { fcntl($0, F_GETFD) >= 0 })
    }

#endif
