// The origin of an event: its sender, its cause and their details.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("The origin of an event") struct OriginTests {
    @Test("SIGTERM from another process names that process, and prints so")
    func otherProcess() async {
        await #expect(processExitsWith: .success) {
            limit()
            let before = monotonic()
            try await withSignalEvents(.sigterm) { events in
                let child = spawnShell("kill -TERM \(getpid())")
                let event = try #require(await events.collect(deliveries: 1).first)
                #expect(event.sender == .init(processID: child, userID: getuid()))
                #expect(event.cause == .kill)
                #expect(event.value == nil && event.childStatus == nil && event.fileDescriptor == nil)
                #expect(event.count == 1 && !event.detailsDropped)
                #expect(event.monotonicNanoseconds >= before && event.monotonicNanoseconds <= monotonic())
                #expect("\(event)" == "SIGTERM from pid \(child) (uid \(getuid()))")
                reap(child)
            }
        }
    }

    @Test("SIGCHLD says which child, and how it ended")
    func children() async {
        await #expect(processExitsWith: .success) {
            limit()
            try await withSignalEvents(.sigchld, options: .everyDelivery) { events in
                var iterator = events.makeAsyncIterator()
                let exits = spawnShell("exit 7")
                let first = try #require(await iterator.next())
                reap(exits)
                let dies = spawnShell("kill -KILL $$")
                let second = try #require(await iterator.next())
                reap(dies)
                let pauses = spawnShell("kill -STOP $$; exec sleep 1000")
                let third = try #require(await iterator.next())
                kill(pauses, SIGCONT)
                let fourth = try #require(await iterator.next())
                kill(pauses, SIGTERM)  // not before the last one was delivered: the kernel would coalesce the two
                let fifth = try #require(await iterator.next())
                reap(pauses)
                #expect(first.childStatus == .exited(7))
                #expect(second.childStatus == .killed(.sigkill))
                #expect(third.childStatus == .stopped(.sigstop))
                #expect(fourth.childStatus == .continued)
                #expect(fifth.childStatus == .killed(.sigterm))
                for (event, child) in zip(
                    [first, second, third, fourth, fifth], [exits, dies, pauses, pauses, pauses])
                {
                    #expect(event.cause == .child)
                    #expect(event.sender == .init(processID: child, userID: getuid()))
                    #expect(event.value == nil)
                }
                #expect("\(first)" == "SIGCHLD from pid \(exits) (uid \(getuid())), exited(7)")
            }
        }
    }

    @Test("The kernel's own signals say so", .enabled(if: hasExactCauses))
    func kernel() async {
        await #expect(processExitsWith: .success) {
            limit()
            try await withSignalEvents(.sigalrm) { events in
                var interval = itimerval()
                interval.it_value.tv_usec = 1000
                #if os(Linux)
                    setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &interval, nil)
                #else
                    setitimer(ITIMER_REAL, &interval, nil)
                #endif
                let event = try #require(await events.collect(deliveries: 1).first)
                #expect(event.cause == .kernel)
                #expect(event.sender == nil && event.value == nil)
                #expect("\(event)" == "SIGALRM from the kernel")
            }
        }
    }

    @Test("Values of sigqueue arrive whole, and print", .enabled(if: hasRealtimeSignals))
    func values() async {
        await #expect(processExitsWith: .success) {
            limit()
            let signal = SignalNumber.realtime(0)
            try await withSignalEvents(signal, .sigusr1) { events in
                var iterator = events.makeAsyncIterator()
                for value in [7, 0, -1, Int.max, Int.min] {
                    try signal.send(to: getpid(), value: value)
                    let event = try #require(await iterator.next())
                    #expect(event.value == value && event.cause == .queue && event.sender == .current)
                    #expect("\(event)" == "SIGRTMIN from pid \(getpid()) (uid \(getuid())), value \(value)")
                }
                try SignalNumber.sigusr1.send(to: getpid(), value: 3)
                #expect(await iterator.next()?.value == 3, "standard signals carry one as well")
            }
        }
    }

    @Test("A coalesced event prints its count, and a signal of pthread_kill has a thread as its cause")
    func merged() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sighup)
            await deliver(.sighup, times: 2)
            events.finish()
            let event = try #require(await events.rest().first)
            #expect("\(event)" == "2 × SIGHUP from pid \(getpid()) (uid \(getuid()))")
            #expect(event.cause == (hasExactCauses ? .thread : .kill))
        }
    }

    @Test(
        "The signals of several processes arrive once each, with their sender", .enabled(if: hasRealtimeSignals),
        .enabled(if: !underThreadSanitizer))
    func processes() async {
        await #expect(processExitsWith: .success) {
            limit()
            let signal = SignalNumber.realtime(3)
            let events = try SignalEvents(signal)
            let script = "i=0; while [ $i -lt 200 ]; do kill -\(signal.rawValue) \(getpid()); i=$((i + 1)); done"
            let children = (0..<3).map { _ in spawnShell(script) }
            let all = await events.collect(deliveries: 600)
            for child in children {
                let sender = SignalEvent.Sender(processID: child, userID: getuid())
                #expect(all.filter { $0.sender == sender && $0.count == 1 && $0.cause == .kill }.count == 200)
                reap(child)
            }
            #expect(all.count == 600)
        }
    }

    #if os(Linux)
        @Test("A signal of a POSIX timer says so, with its value and its overrun")
        func timer() async {
            await #expect(processExitsWith: .success) {
                limit()
                let signal = SignalNumber.realtime(2)
                let events = try SignalEvents(signal)
                await onThread {
                    setMask([signal])  // the timer expires again and again before the thread takes the signal
                    var request = sigevent()
                    request.sigev_notify = Int32(SIGEV_THREAD_ID)
                    request._sigev_un._tid = threadID()
                    request.sigev_signo = signal.rawValue
                    request.sigev_value.sival_int = 42
                    var timer: timer_t?  // the first one is 0, which Swift takes for nil
                    timer_create(CLOCK_MONOTONIC, &request, &timer)
                    var interval = itimerspec()
                    interval.it_value.tv_nsec = 1_000_000
                    interval.it_interval.tv_nsec = 1_000_000
                    timer_settime(timer, 0, &interval, nil)
                    usleep(100_000)
                    setMask([])
                    timer_delete(timer)
                }
                events.finish()
                let event = try #require(await events.rest().first)
                #expect(event.cause == .timer)
                #expect(event.timerOverrun >= 20)
                #expect(event.value.map(Int32.init(truncatingIfNeeded:)) == 42)
                #expect(event.sender == nil)
                #expect("\(event)".hasPrefix("SIGRTMIN+2 from a timer"))
            }
        }

        @Test("SIGIO by F_SETSIG names the descriptor")
        func descriptor() async {
            await #expect(processExitsWith: .success) {
                limit()
                let signal = SignalNumber.realtime(4)
                try await withSignalEvents(signal) { events in
                    var ends: [Int32] = [0, 0]
                    socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
                    _ = fcntl(ends[0], 10, signal.rawValue)  // F_SETSIG
                    _ = fcntl(ends[0], F_SETOWN, getpid())
                    _ = fcntl(ends[0], F_SETFL, O_ASYNC)
                    write(ends[1], "x", 1)
                    let event = try #require(await events.collect(deliveries: 1).first)
                    #expect(event.cause == .descriptor)
                    #expect(event.fileDescriptor == ends[0])
                    #expect(event.sender == nil)
                }
            }
        }
    #endif
}

private func monotonic() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
