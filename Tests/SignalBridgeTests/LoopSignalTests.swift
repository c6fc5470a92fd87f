// Signals that a loop reads.
import CSignalShim
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Signals on a loop") struct LoopSignalTests {
    @Test(
        "A signal reaches `for await` with no change of thread, in an actor and in a task", arguments: mechanisms, hosts
    )
    func sameThread(mechanism: String, host: String) async {
        await #expect(processExitsWith: .success) { [mechanism, host] in
            limit()
            let loop = try makeLoop(mechanism)
            let events = Shared<[SignalEvents]>([])
            let server = Server(loop, by: host) {
                events { $0 = (0..<2).compactMap { _ in try? SignalEvents(.sigusr1, .sighup, loop: loop) } }
            }
            try #require(events.now.count == 2)
            let resident = Resident(on: loop)
            let total = 50
            let inActor = Task { await resident.listen(to: events.now[0], deliveries: total) }
            let inTask = Task(executorPreference: loop) {
                var threads: Set<UInt> = []
                var count = 0
                for await event in events.now[1] {
                    threads.insert(thisThread())
                    count += event.count
                    if count == total { break }
                }
                return threads
            }
            for number in 0..<total / 2 {
                kill(getpid(), SIGUSR1)
                // Only the loop's own thread can take this one, wherever it is blocked.
                Task(executorPreference: loop) { _ = raise(SIGHUP) }
                let seen = await soon { await resident.events.deliveries == 2 * number + 2 }
                try #require(seen, "\(number)")
            }
            await inActor.value
            #expect(await inTask.value == [server.thread])
            #expect(await resident.threads == [server.thread])
            server.leave()
        }
    }

    #if os(Linux)
        @Test(
            "Realtime signals of an edge-triggered host keep values and order, past what one drain reads",
            arguments: mechanisms)
        func values(mechanism: String) async {
            await #expect(processExitsWith: .success) { [mechanism] in
                limit()
                let total = mechanism == "signalfd" ? 40_000 : 16_000
                await onThread {
                    guard let loop = try? makeLoop(mechanism) else { return }
                    // The signal goes to the queue of the process, or of this thread; no other thread can take it.
                    guard let events = try? SignalEvents(.realtime(0), loop: loop) else { return }
                    let values = Shared<[Int]>([])
                    Task(executorPreference: loop) {
                        for await event in events { values { $0.append(event.value ?? -1) } }
                    }
                    let epoll = EdgePoller(loop.fileDescriptor)
                    loop.drain()
                    for value in 0..<total {
                        while !sendToMyself(.realtime(0), value: value) { loop.drain() }  // the kernel's queue is full
                    }
                    while values.now.count < total, epoll.wait(milliseconds: Int32(patience * 250)) { loop.drain() }
                    #expect(values.now == Array(0..<total), "\(values.now.count)")
                    events.finish()
                    loop.drain()
                }
            }
        }
    #endif

    @Test("The shared bridge, a waiter and two loops all get a signal")
    func everybody() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loops = [try SignalLoop(), try SignalLoop()]
            let servers = loops.map { Server($0) }
            let events = try SignalEvents(.sigusr1)
            let waiter = try SignalWaiter(.sigusr1)
            let onLoops = try loops.map { try SignalEvents(.sigusr1, loop: $0) }
            await deliver(.sigusr1, times: 100)
            #expect(await events.collect(deliveries: 100).deliveries == 100)
            #expect(await onLoops[0].collect(deliveries: 100).deliveries == 100)
            #expect(await onLoops[1].collect(deliveries: 100).deliveries == 100)
            let count = await onThread {
                var count = 0
                while count < 100, let event = waiter.next() { count += event.count }
                return count
            }
            #expect(count == 100)
            for server in servers { server.leave() }
        }
    }

    @Test("withSignalEvents and nextSignal subscribe on the loop, and restore the disposition", arguments: mechanisms)
    func scoped(mechanism: String) async {
        await #expect(processExitsWith: .success) { [mechanism] in
            limit()
            let before = action(of: .sigusr1)
            let loop = try makeLoop(mechanism)
            try await onThread {
                Swift.Result {
                    try loop.run {
                        let count = try await withSignalEvents(.sigusr1, loop: loop) { events in
                            raise(SIGUSR1)
                            for await event in events { return event.count }
                            return 0
                        }
                        #expect(count == 1)
                        let next = Task(executorPreference: loop) { try await nextSignal([.sigusr1], loop: loop) }
                        while csigshim_state(SIGUSR1) == Int32(CSIGSHIM_ABSENT) { await Task.yield() }
                        raise(SIGUSR1)
                        #expect(try await next.value?.signal == .sigusr1)
                    }
                }
            }.get()
            #expect(action(of: .sigusr1) == before)
        }
    }

    @Test("In a simulation a subscription on a loop listens to the simulator", arguments: mechanisms)
    func simulated(mechanism: String) async throws {
        let loop = try makeLoop(mechanism)
        let server = Server(loop)
        try await withSimulatedSignals { simulator in
            let resident = Resident(on: loop)
            let events = try SignalEvents(.sigterm, loop: loop)
            let listening = Task { await resident.listen(to: events, deliveries: 2) }
            try simulator.send(.sigterm)
            try simulator.send(.sigterm)
            await listening.value
            #expect(await resident.threads == [server.thread])
            #expect(simulator.forcedExit == nil)
            if mechanism == "signalfd" {
                #expect(refusal { _ = try SignalEvents(.sigterm, options: .chain, loop: loop) }?.code == .unsupported)
            }
        }
        server.leave()
    }

    @Test(
        "A subscription that ends beside another one gets the signals captured before, although no thread had read them"
    )
    func endsBesideAnother() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()  // which no thread serves
            let stays = try SignalEvents(.sigusr1, loop: loop)
            let ends = try SignalEvents(.sigusr1, loop: loop)
            await deliver(.sigusr1)
            ends.finish()
            #expect(await ends.rest().deliveries == 1)
            stays.finish()
            #expect(await stays.rest().deliveries == 1)
        }
    }

    @Test("A new subscription gets no signal that was captured before it, although no thread had read it")
    func newcomer() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()  // which no thread serves
            let early = try SignalEvents(.sigusr1, loop: loop)
            await deliver(.sigusr1)
            let late = try SignalEvents(.sigusr1, loop: loop)
            late.finish()
            #expect(await late.rest().isEmpty)
            early.finish()
            #expect(await early.rest().deliveries == 1)
        }
    }

    @Test(
        "A subscription that begins or ends wakes the others for which it has read signals", arguments: [true, false])
    func wakesOthers(begins: Bool) async {
        await #expect(processExitsWith: .success) { [begins] in
            limit()
            let loop = try SignalLoop()  // which no thread serves
            let count = Shared(0)
            let waits = try SignalEvents(.sigusr1, loop: loop)
            let ends = try SignalEvents(.sigusr2, loop: loop)
            let task = Task { for await event in waits { count { $0 += event.count } } }
            try await Task.sleep(for: .milliseconds(50))
            await deliver(.sigusr1)
            #expect(count.now == 0)
            let new = begins ? try SignalEvents(.sighup, loop: loop) : nil
            if !begins { ends.finish() }
            #expect(await eventually { count.now == 1 })
            for events in [waits, ends, new] { events?.finish() }
            await task.value
        }
    }

    // The thread sanitizer coalesces signals that come while another waits to be handled.
    @Test(
        "drain() is bounded: it returns although a job raises a signal for each one, and asks to be called again",
        .enabled(if: !underThreadSanitizer))
    func bounded() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            let events = try SignalEvents(.sigusr1, loop: loop)
            let (raised, received) = (Shared(0), Shared(0))
            let task = Task(executorPreference: loop) {
                for await event in events {
                    received { $0 += event.count }
                    if raised.now < 100_000 { raiseHere(times: event.count + 1, counting: raised) }
                }
            }
            await onThread {
                raiseHere(times: 300, counting: raised)
                loop.drain()
                #expect(raised.now < 100_000 && isReadable(loop), "\(raised.now)")
                while isReadable(loop) { loop.drain() }
                #expect(raised.now >= 100_000 && received.now == raised.now, "\(received.now) of \(raised.now)")
                events.finish()
                loop.drain()
            }
            await task.value
        }
    }

    @Test("Where a loop drains, a delivery that was consumed does not escalate")
    func consumed() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            let server = Server(loop)
            let resident = Resident(on: loop)
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 2, loop: loop)
            Task { await resident.listen(to: events, deliveries: .max) }
            for number in 1...5 {
                kill(getpid(), SIGTERM)
                try #require(await soon { await resident.events.deliveries == number })
            }
            server.leave()
        }
    }

    @Test("Escalation ends the process while the loop is stuck")
    func stuck() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let loop = try SignalLoop()
            let server = Server(loop)
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 2, loop: loop)
            let isStuck = DispatchSemaphore(value: 0)
            Task(executorPreference: loop) { stick(isStuck) }
            await onThread { isStuck.wait() }
            kill(getpid(), SIGTERM)
            try await Task.sleep(for: .milliseconds(200))
            kill(getpid(), SIGTERM)
            try await Task.sleep(for: .seconds(patience))
            withExtendedLifetime((server, events)) {}
        }
    }

    #if os(Linux)
        @Test("signalfd refuses .chain, escalateAfterUnread, and a signal that another mechanism has")
        func signalfdRefuses() async {
            await #expect(processExitsWith: .success) {
                limit()
                await onThread {
                    guard let loop = try? SignalLoop(mechanism: .signalfd) else {
                        Issue.record("no loop")
                        return
                    }
                    let chain = refusal { _ = try SignalEvents(.sigterm, options: .chain, loop: loop) }
                    #expect(chain?.code == .unsupported && chain?.description.contains(".handler") == true)
                    let escalate = refusal {
                        _ = try SignalEvents(.sigterm, escalateAfterUnread: 2, loop: loop)
                    }
                    #expect(
                        escalate?.code == .unsupported && escalate?.description.contains("escalateAfterUnread") == true)
                    #expect(csigshim_state(SIGTERM) == Int32(CSIGSHIM_ABSENT))

                    let shared = try? SignalEvents(.sighup)
                    let taken = refusal { _ = try SignalEvents(.sigusr1, .sighup, loop: loop) }
                    #expect(taken?.code == .signalInUse && taken?.signal == .sighup && taken?.errnoCode == EBUSY)
                    #expect(csigshim_state(SIGUSR1) == Int32(CSIGSHIM_ABSENT), "rolled back")
                    shared?.finish()

                    let both = [try? SignalEvents(.sighup, loop: loop), try? SignalEvents(.sighup, loop: loop)]
                    #expect(!both.contains { $0 == nil }, "two subscriptions on one loop")
                    #expect(refusal { _ = try SignalEvents(.sighup) }?.code == .signalInUse)
                    #expect(refusal { _ = try SignalWaiter(.sighup) }?.code == .signalInUse)
                    #expect(refusal { _ = try SignalEvents(.sighup, loop: SignalLoop()) }?.code == .signalInUse)
                    for events in both { events?.finish() }
                    #expect(refusal { try SignalEvents(.sighup).finish() } == nil)
                }
            }
        }
    #else
        @Test("A loop over signalfd is refused where the system has none")
        func unsupported() {
            #expect(refusal { _ = try SignalLoop(mechanism: .signalfd) }?.code == .unsupported)
        }
    #endif
}

#if os(Linux)
    private func sendToMyself(_ signal: SignalNumber, value: Int) -> Bool {
        typealias Queue = @convention(c) (pthread_t, Int32, Int) -> Int32
        return unsafeBitCast(dlsym(nil, "pthread_sigqueue"), to: Queue.self)(pthread_self(), signal.rawValue, value)
            == 0
    }
#endif

private func stick(_ isStuck: DispatchSemaphore) {
    isStuck.signal()
    while true { sleep(1000) }
}

/// To this thread.
private func raiseHere(times: Int, counting raised: Shared<Int>) {
    for _ in 0..<times { raise(SIGUSR1) }
    raised { $0 += times }
}
