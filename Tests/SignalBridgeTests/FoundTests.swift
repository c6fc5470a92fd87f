// What was found once, by review or by a program that broke it, and must not come back.
import Foundation
import SignalBridge
import TestSupport
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
                        if error.signal != .sigusr2 || error.errnoCode != EPERM { Issue.record("\(error)") }
                    }
                }
                stop { $0 = true }
                #expect(await eventually { !stop.now })
                #expect(await eventually { handledCount >= sent.now }, "\(handledCount) of \(sent.now) arrived")
                #expect(handledCount == sent.now)
            }
        }
    }
#endif

@Suite struct Found {
    @Test("a waiter that ends unread does not escalate for a subscriber who has had one")
    func waiterEndsBesideEscalation() async {
        await #expect(processExitsWith: .success) {
            limit()
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 2)
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
            let events = try SignalEvents(.sigterm, escalateAfterUnread: 2)
            await deliver(.sigterm)
            for await _ in events {
                let force = try SignalEvents(.sigterm, escalateAfterUnread: 1)
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
            try SignalNumber.sighup.setDisposition(.ignore)
            let waiter = try SignalWaiter(.sighup)
            let plain = try SignalEvents(.sighup)
            let polite = try SignalEvents(.sighup, options: .keepIgnored)
            #expect(polite.signalsLeftIgnored == [.sighup])
            plain.finish()
            waiter.cancel()
            #expect(try SignalNumber.sighup.disposition == .ignore)
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
                guard error.errnoCode == EBADF else { _exit(5) }
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
