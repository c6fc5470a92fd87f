// What was found once, by review or by a program that broke it, and must not come back.
import Foundation
import SignalBridge
import Testing

#if os(Linux)
    /// Makes the kernel refuse to install anything for a signal, as a sandbox may: seccomp(2), by hand, for Swift imports
    /// neither prctl(2) nor the filter's structures.
    private func refuseInstalling(_ signal: SignalNumber) -> Bool {
        #if arch(x86_64)
            let sigactionNumber: UInt64 = 13
        #else
            let sigactionNumber: UInt64 = 134
        #endif
        func instruction(_ code: UInt64, _ jumpTrue: UInt64, _ jumpFalse: UInt64, _ operand: UInt64) -> UInt64 {
            code | jumpTrue << 16 | jumpFalse << 24 | operand << 32  // struct sock_filter
        }
        let filter = [
            instruction(0x20, 0, 0, 0), instruction(0x15, 0, 5, sigactionNumber),  // rt_sigaction
            instruction(0x20, 0, 0, 16), instruction(0x15, 0, 3, UInt64(signal.rawValue)),  // of this signal
            instruction(0x20, 0, 0, 24), instruction(0x15, 1, 0, 0),  // that sets one
            instruction(0x06, 0, 0, 0x0005_0001), instruction(0x06, 0, 0, 0x7fff_0000),  // EPERM; allowed
        ]
        typealias Control = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
        let control = unsafeBitCast(dlsym(nil, "prctl"), to: Control.self)
        return filter.withUnsafeBufferPointer { filter in
            var program = (UInt(filter.count), UInt(bitPattern: filter.baseAddress))  // struct sock_fprog
            return withUnsafePointer(to: &program) {
                control(38, 1, 0, 0, 0) == 0 && control(22, 2, UInt(bitPattern: $0), 0, 0) == 0
            }
        }
    }

    @Suite struct FoundInSandboxes {
        // The thread sanitizer merges realtime signals that it holds back.
        @Test(
            "what a subscription captured that then failed meets the handler from before",
            .enabled(if: !underThreadSanitizer))
        func failedSubscription() async {
            await #expect(processExitsWith: .success) {
                limit()
                let signal = SignalNumber.realtime(1)  // which the kernel does not merge when it is sent again
                install(countingHandler, for: signal)
                guard refuseInstalling(.sigusr2) else { _exit(0) }  // no seccomp here
                let stop = Shared(false)
                let sent = Shared(0)
                startThread {
                    while !stop.now {
                        raise(signal.rawValue)
                        sent { $0 += 1 }
                    }
                    stop { $0 = false }
                }
                for _ in 0..<5000 {
                    do throws(SignalBridgeError) {
                        _ = try SignalEvents(signal, .sigusr2)
                        Issue.record("nothing was refused")
                    } catch {
                        if error.signal != .sigusr2 || error.errno != EPERM { Issue.record("\(error)") }
                    }
                }
                stop { $0 = true }
                #expect(await eventually { !stop.now })
                #expect(await eventually { handledCount >= sent.now }, "\(handledCount) of \(sent.now) arrived")
                #expect(handledCount == sent.now)
            }
        }
    }

    /// fork(2), which Swift does not import, for what this library promises in a child. Dispatch and tasks are dead there.
    private func forked(_ body: () -> Int32) -> Int32 {
        typealias Fork = @convention(c) () -> pid_t
        let fork = unsafeBitCast(dlsym(nil, "fork"), to: Fork.self)
        let child = fork()
        if child == 0 {
            alarm(60)  // nothing else ends it if it hangs
            _exit(body())
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        return status & 0x7f != 0 ? -(status & 0x7f) : status >> 8 & 0xff
    }

    @Suite struct FoundInChildren {
        @Test("a forked child that ends its copy of a subscription is not sent the parent's SIGTERM")
        func childEndsCopy() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sigterm, .sighup)
                await onThread {
                    raise(SIGTERM)  // to this thread: recorded when it returns
                    raise(SIGHUP)
                    _ = waiter.next(timeout: .zero)  // brings both into the mailbox
                    #expect(
                        forked {
                            waiter.cancel()
                            return 7
                        } == 7)
                }
                _exit(0)  // the parent's own SIGTERM was read or not; that is not the question
            }
        }

        @Test("resumeAfterFork begins at zero: escalation, and what was consumed")
        func childBegins() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sighup, .sigterm, options: .escalate(.sigterm, unread: 2))
                await onThread {
                    raise(SIGHUP)  // to this thread: recorded when it returns
                    raise(SIGTERM)
                    _ = waiter.next(timeout: .zero)  // SIGTERM is in the mailbox, one of two
                    let result = forked {
                        guard (try? waiter.resumeAfterFork()) != nil else { return 1 }
                        kill(getpid(), SIGTERM)  // the first one here
                        return waiter.next(timeout: .seconds(30))?.signal == .sigterm ? 7 : 2
                    }
                    #expect(result == 7)
                    let unread = forked {
                        guard (try? waiter.resumeAfterFork()) != nil else { return 1 }
                        kill(getpid(), SIGTERM)
                        waiter.cancel()  // nobody in this process has ever read one
                        return 2
                    }
                    #expect(unread == -SIGTERM)
                }
                _exit(0)
            }
        }

        @Test("resumeAfterFork does nothing in the process that made the waiter")
        func inParent() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sighup, .sigusr1)
                await onThread {
                    raise(SIGHUP)  // to this thread: recorded when it returns
                    raise(SIGUSR1)
                    #expect(waiter.next()?.signal == .sighup)
                    #expect((try? waiter.resumeAfterFork()) == false)
                    #expect(waiter.next(timeout: .zero)?.signal == .sigusr1)
                }
            }
        }

        @Test("resumeAfterFork that was refused may be called again")
        func childTriesAgain() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sigwinch)
                await onThread {
                    let result = forked {
                        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
                        var before = rlimit()
                        getrlimit(resource, &before)
                        var none = rlimit(rlim_cur: 0, rlim_max: before.rlim_max)
                        setrlimit(resource, &none)
                        guard refusal({ try waiter.resumeAfterFork() })?.errno == EMFILE else { return 1 }
                        setrlimit(resource, &before)
                        guard (try? waiter.resumeAfterFork()) != nil else { return 2 }
                        kill(getpid(), SIGWINCH)
                        return waiter.next(timeout: .seconds(30))?.signal == .sigwinch ? 7 : 3
                    }
                    #expect(result == 7)
                }
            }
        }

        @Test("in a forked child other subscriptions say that they do not work")
        func others() async {
            await #expect(processExitsWith: .success) {
                limit()
                let events = try SignalEvents(.sighup)
                await onThread {
                    let result = forked {
                        do throws(SignalBridgeError) {
                            _ = try SignalEvents(.sigusr1)
                            return 1
                        } catch {
                            return error.description.contains("resumeAfterFork") ? 7 : 2
                        }
                    }
                    #expect(result == 7)
                }
                events.finish()
            }
        }

        // Under the thread sanitizer, Swift's runtime takes locks of its own at every turn.
        @Test(
            "they say so too if a thread of the parent's was at a subscription when it forked",
            .enabled(if: !underThreadSanitizer))
        func othersWhileSubscribing() async {
            await #expect(processExitsWith: .success) {
                limit()
                // Without it, when something is made at its first use: so that is before the fork.
                try SignalEvents(.sigusr1).finish()
                #expect(try !SignalDiagnostics(for: .sigusr2).isArmed)
                #expect(refusal { _ = try SignalEvents(.sigkill) } != nil)
                let (stop, rounds) = (Shared(false), Shared(0))
                startThread {
                    while !stop.now {
                        (try? SignalEvents(.sigusr1))?.finish()
                        rounds { $0 += 1 }
                    }
                }
                #expect(await eventually { rounds.now > 100 })
                await onThread {
                    for _ in 0..<100 {
                        let result = forked {
                            // Both take no lock of that thread's, and here a lock could be held for ever.
                            guard refusal({ _ = try SignalEvents(.sigusr2) })?.errno == EPERM else { return 1 }
                            return (try? SignalDiagnostics(for: .sigusr2))?.isArmed == false ? 7 : 2
                        }
                        #expect(result == 7)
                        if result != 7 { break }
                    }
                }
                stop { $0 = true }
            }
        }

        @Test(
            "a waiter that a child resumed works there, whatever threads of the parent's consumed when it forked",
            .enabled(if: !underThreadSanitizer))
        func consumingWhileForking() async {
            await #expect(processExitsWith: .success) {
                limit()
                let waiter = try SignalWaiter(.sigterm)
                await onThread {  // as above: for the first time before the fork
                    raise(SIGTERM)
                    #expect((try? waiter.resumeAfterFork()) == false && waiter.next()?.signal == .sigterm)
                }
                let (stop, rounds) = (Shared(false), Shared(0))
                let busy = try (0..<3).map { _ in try SignalWaiter(.sigint, options: .everyDelivery) }
                for waiter in busy {
                    startThread {
                        while !stop.now {
                            for _ in 0..<100 { raise(SIGINT) }
                            while waiter.next(timeout: .zero) != nil {}
                            rounds { $0 += 1 }
                        }
                    }
                }
                #expect(await eventually { rounds.now > 100 })
                await onThread {
                    let end = Date(timeIntervalSinceNow: 3)
                    while Date() < end {
                        let result = forked {
                            for waiter in busy {  // not its own, so this does nothing, and waits for nobody
                                waiter.wake()
                                waiter.cancel()
                            }
                            guard (try? waiter.resumeAfterFork()) != nil else { return 1 }
                            kill(getpid(), SIGTERM)
                            return waiter.next(timeout: .seconds(30))?.signal == .sigterm ? 7 : 2
                        }
                        #expect(result == 7)
                        if result != 7 { break }
                    }
                }
                stop { $0 = true }
            }
        }
    }
#endif

@Suite struct Found {
    @Test("a waiter that ends unread does not escalate for a subscriber who has had one")
    func waiterEndsBesideEscalation() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sigterm, options: .escalate(.sigterm, unread: 2))
            let waiter = try SignalWaiter(.sigterm)
            await deliver(.sigterm)
            waiter.cancel()
            try await Task.sleep(for: .milliseconds(200))
            events.finish()
            #expect(await events.rest().deliveries == 1)
        }
    }

    @Test("a clean-up that hangs is ended by the second SIGTERM, as the documentation shows")
    func hangingCleanUp() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            limit()
            let events = try SignalEvents(.sigterm, options: .escalate(.sigterm, unread: 2))
            await deliver(.sigterm)
            for await _ in events {
                let force = try SignalEvents(.sigterm, options: .escalate(.sigterm, unread: 1))
                await onThread {
                    kill(getpid(), SIGTERM)
                    usleep(20_000_000)
                }
                force.finish()
                break
            }
            _exit(98)
        }
    }

    @Test("a SIGTERM that another subscriber has consumed is not sent again to kill its clean-up")
    func consumedElsewhere() async {
        await #expect(processExitsWith: .success) {
            limit()
            let reads = try SignalEvents(.sigterm)
            let ignores = try SignalWaiter(.sigterm)
            await deliver(.sigterm)
            #expect(await reads.collect(deliveries: 1).deliveries == 1)
            reads.finish()
            ignores.cancel()  // the last one, which never looked
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    @Test("G12: .keepIgnored looks beneath other bridges")
    func keepIgnoredBeneath() async {
        await #expect(processExitsWith: .success) {
            limit()
            try SignalDisposition.set(.ignore, for: .sighup)
            let waiter = try SignalWaiter(.sighup)
            let plain = try SignalEvents(.sighup)
            let polite = try SignalEvents(.sighup, options: .keepIgnored)
            #expect(polite.ignoredSignals == [.sighup])
            plain.finish()
            waiter.cancel()
            #expect(try SignalDisposition.current(of: .sighup) == .ignore)
        }
    }

    /// No `#expect` after the pipes are closed: what it says would find no way out.
    @Test("who closes all pipes of the process goes on hearing; but a loop whose descriptor was asked for says so")
    func closed() async {
        await #expect(processExitsWith: .exitCode(7)) {
            limit()
            let events = try SignalEvents(.sigusr1)
            let waiter = try SignalWaiter(.sigusr2)
            let loop = try SignalLoop()
            _ = loop.fileDescriptor
            for descriptor in Int32(3)..<64 where isPipe(descriptor) { close(descriptor) }
            #if os(Linux)
                if !underThreadSanitizer {  // where bridges are always polled
                    kill(getpid(), SIGUSR2)
                    let waited = await onThread { waiter.next(timeout: .seconds(60))?.signal }
                    guard waited == .sigusr2 else { _exit(1) }
                    kill(getpid(), SIGUSR1)
                    var iterator = events.makeAsyncIterator()
                    guard await iterator.next()?.signal == .sigusr1 else { _exit(2) }
                    guard try SignalDiagnostics(for: .sigusr1).isArmed, (try? SignalEvents(.sigterm)) != nil else {
                        _exit(3)
                    }
                }
            #endif
            do throws(SignalBridgeError) {
                _ = try SignalEvents(.sighup, loop: loop)
                _exit(4)
            } catch {
                guard error.errno == EBADF else { _exit(5) }
            }
            withExtendedLifetime((events, waiter)) { _exit(7) }
        }
    }

    @Test("each wake() makes one call return")
    func wakes() async {
        await #expect(processExitsWith: .success) {
            limit()
            let waiter = try SignalWaiter(.sigusr1)
            waiter.wake()
            waiter.wake()
            await onThread {
                for _ in 0..<2 { #expect(waiter.next(timeout: .seconds(600)) == nil) }
                #expect(waiter.next(timeout: .milliseconds(1)) == nil)
            }
        }
    }

    @Test(
        "no duration is too long for a waiter",
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

    @Test("what a simulation does to this process stays in it")
    func simulationIsClosed() async throws {
        try await withSimulatedSignals { simulator in
            let events = try SignalEvents(.sigterm)
            try SignalNumber.sigterm.send(to: getpid())
            try SignalDisposition.resetForExec()
            var iterator = events.makeAsyncIterator()
            #expect(await iterator.next()?.signal == .sigterm)
            simulator.advance(by: .seconds(Int64.max))
            try simulator.send(.sigterm)
        }
    }

    @Test("simulated deadlines pass for every thread that waits on one waiter")
    func simulatedDeadlines() async throws {
        try await withSimulatedSignals { simulator in
            let waiter = try SignalWaiter(.sigterm)
            let ended = Shared(0)
            for _ in 0..<2 {
                startThread {
                    _ = waiter.next(timeout: .seconds(1))
                    ended { $0 += 1 }
                }
            }
            simulator.advance(by: .seconds(2))
            while ended.now < 2 {  // threads that came after the first advance measure from there
                simulator.advance(by: .seconds(2))
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }
}

private func isPipe(_ descriptor: Int32) -> Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
}
