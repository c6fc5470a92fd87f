// Daemons and their process: dispositions, real signals, and leaks.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("A daemon and its process") struct ProcessTests {
    @Test("Every disposition is restored when a daemon has returned")
    func restored() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm, flags: Int32(SA_RESTART), mask: [.sigusr1])
            install(otherHandler, for: .sigusr2)
            let policy = try SignalPolicy(graceful: [.sigterm, .sigint], reload: [.sighup, .sigusr2])
            let before = catchable.map(action(of:))
            let report = try await Daemon.run(policy: policy) { daemon in
                #expect(action(of: .sighup) != before[catchable.firstIndex(of: .sighup)!], "it ends the daemon")
                #expect(disposition(of: .sigusr2) == .handler)
                let untouched = action(of: .sigusr2)
                #expect(before[catchable.firstIndex(of: .sigusr2)!] == untouched, "nobody reloads yet")
                try daemon.onReload {}
                #expect(action(of: .sigusr2) != untouched)
                #expect(action(of: .sigterm) != before[catchable.firstIndex(of: .sigterm)!])
                kill(getpid(), SIGTERM)
                await daemon.shutdownRequested()
            }
            #expect(report.signal?.signal == .sigterm)
            #expect(report.signal?.sender == .current)
            #expect(catchable.map(action(of:)) == before)
            #expect(handledCount == 0, "the signals were the daemon's own")
            await deliver(.sigterm)
            #expect(handledCount == 1)
        }
    }

    @Test("Every disposition is restored when a daemon has returned, although the program keeps the daemon")
    func restoredWhileKept() async {
        await #expect(processExitsWith: .success) {
            limit()
            let before = catchable.map(action(of:))
            let kept = Shared<Daemon?>(nil)
            _ = try await Daemon.run { daemon in
                kept { $0 = daemon }
                try daemon.onReload {}
            }
            #expect(catchable.map(action(of:)) == before)
            #expect(kept.now != nil)
        }
    }

    @Test("A policy's signals belong to the daemon from its start to its end", arguments: [true, false])
    func ownSignals(throwing: Bool) async {
        await #expect(processExitsWith: .success) { [throwing] in
            limit()
            let before = catchable.map(action(of:))
            let report = try await Daemon.run { daemon in
                daemon.addCleanup("flush") { #expect(disposition(of: .sigterm) == .handler) }
                #expect(disposition(of: .sigint) == .handler)
                if throwing { throw Broken() }
            }
            #expect((report.bodyError is Broken) == throwing)
            #expect(catchable.map(action(of:)) == before)
        }
    }

    @Test("A signal that is ignored at the start stays ignored and ends nothing")
    func keepsIgnored() async {
        await #expect(processExitsWith: .success) {
            limit()
            try SignalNumber.sigint.setDisposition(.ignore)
            let scene = Scene()
            let report = try await Daemon.run(onTransition: scene.watch) { daemon in
                #expect(disposition(of: .sigint) == .ignore)
                for _ in 0..<3 { kill(getpid(), SIGINT) }
                try await Task.sleep(for: .milliseconds(100))
                #expect(!daemon.isShuttingDown)
                kill(getpid(), SIGTERM)
                await daemon.shutdownRequested()
            }
            #expect(report.signals.map(\.signal) == [.sigterm])
            #expect(report.exitStatus == .code(0))
            #expect(scene.lines.prefix(2) == ["left ignored: SIGINT", "started"])
            #expect(disposition(of: .sigint) == .ignore)
            #expect(disposition(of: .sigterm) == .default)
        }
    }

    @Test("A policy may take an ignored signal, which is ignored again afterwards")
    func takesIgnored() async {
        await #expect(processExitsWith: .signal(SIGINT)) {
            limit()
            try SignalNumber.sigint.setDisposition(.ignore)
            let report = try await Daemon.run(policy: SignalPolicy.server.with(keepsIgnored: false)) { daemon in
                kill(getpid(), SIGINT)
                await daemon.shutdownRequested()
            }
            #expect(report.signal?.signal == .sigint)
            #expect(disposition(of: .sigint) == .ignore)
            report.exit()  // by the signal, although it is ignored again
        }
    }

    @Test(
        "After a burst of 1,000 real HUPs a load has seen the last one, and two never run at once",
        arguments: [true, false])
    func reloads(applies: Bool) async {
        await #expect(processExitsWith: .success) { [applies] in
            limit()
            let version = Shared(0)
            let active = Shared((now: 0, most: 0))
            let latest = Shared(-1)
            let use: @Sendable (Int) async throws -> Void = { version in latest { $0 = version } }
            let apply = applies ? use : nil
            let report = try await Daemon.run(
                load: {
                    active {
                        $0.now += 1
                        $0.most = max($0.most, $0.now)
                    }
                    defer { active { $0.now -= 1 } }
                    let seen = version.now
                    await Task.yield()
                    return seen
                },
                apply: apply
            ) { daemon, loaded in
                latest { $0 = loaded }
                if loaded == 0 {
                    startThread {
                        for _ in 0..<1000 {
                            version { $0 += 1 }
                            // To this thread: each is delivered, so more are unread than the backstop allows of a TERM.
                            pthread_kill(pthread_self(), SIGHUP)
                        }
                        let deadline = Date(timeIntervalSinceNow: 30)
                        while latest.now != 1000, Date() < deadline { usleep(1000) }
                        kill(getpid(), SIGTERM)
                    }
                }
                await daemon.shutdownRequested()
            }
            #expect(latest.now == 1000)
            #expect(active.now.most == 1)
            #expect(report.reloads >= 1)
            #expect(report.failedReloads.isEmpty)
            #expect(report.reason == report.signal.map { .signal($0) })
            #expect(report.exitStatus == .code(0))
        }
    }

    @Test("A hundred daemons, one after the other, leave nothing behind")
    func oneAfterTheOther() async {
        await #expect(processExitsWith: .success) {
            limit()
            func descriptors() -> Int { (try? FileManager.default.contentsOfDirectory(atPath: "/dev/fd"))?.count ?? 0 }
            func run() async throws {
                let report = try await Daemon.run { daemon in
                    try daemon.addTask("task") { await daemon.shutdownRequested() }
                    try daemon.addThread("thread") { token in token.wait() }
                    try daemon.onReload {}
                    daemon.addCleanup("flush") {}
                    kill(getpid(), SIGTERM)
                    await daemon.shutdownRequested()
                }
                #expect(report.outcomes.values.allSatisfy { $0 == "finished" })
                #expect(report.tasks.count == 4)
                #expect(report.exitStatus == .code(0))
            }
            let before = catchable.map(action(of:))
            for _ in 0..<5 { try await run() }
            let open = descriptors()
            for _ in 0..<100 { try await run() }
            #expect(open > 0)
            #expect(descriptors() <= open + 2)
            #expect(catchable.map(action(of:)) == before)
            #if os(Linux)
                // Threads that have ended may need a moment to disappear.
                let threads = { (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task"))?.count ?? 0 }
                let few = await eventually { threads() < 50 }
                #expect(few, "\(threads()) threads are left")
            #endif
        }
    }

    @Test("One signal ends several daemons of a process")
    func several() async {
        await #expect(processExitsWith: .success) {
            limit()
            let before = catchable.map(action(of:))
            let up = Shared(0)
            try await withThrowingTaskGroup(of: DaemonReport<Int>.self) { group in
                for index in 0..<8 {
                    group.addTask {
                        try await Daemon.run { daemon in
                            up { $0 += 1 }
                            await daemon.shutdownRequested()
                            return index
                        }
                    }
                }
                #expect(await eventually { up.now == 8 })
                kill(getpid(), SIGTERM)
                var results: Set<Int> = []
                for try await report in group {
                    #expect(report.signals.map(\.signal) == [.sigterm])
                    results.insert(try report.result.get())
                }
                #expect(results.count == 8)
            }
            #expect(catchable.map(action(of:)) == before)
        }
    }

    @Test("Signals that come when the work has just ended neither kill nor get lost")
    func raceWithTheEnd() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigterm)  // it gets the signals that the daemon does not receive
            var heard = 0
            for round in 1...flood(1000) {
                let go = Shared(false)
                let sent = Shared(false)
                startThread {
                    while !go.now { sched_yield() }
                    for _ in 0..<(round % 50) * 20 { _ = getppid() }
                    raise(SIGTERM)
                    sent { $0 = true }
                }
                let report = try await Daemon.run { daemon in
                    daemon.addCleanup("flush") {}
                    go { $0 = true }
                }
                #expect(await eventually { sent.now })
                #expect(report.outcomes == ["body": "finished", "flush": "finished"])
                #expect(report.forcedExit == nil)
                // A signal that the daemon can no longer take is raised again, and reaches the handler before the next
                // round begins.
                heard += report.signals.deliveries
                let isThere = await eventually(within: 5) { heard + handledCount >= round }
                try #require(isThere, "\(heard) in reports and \(handledCount) by the handler, of \(round)")
            }
            #expect(heard + handledCount == flood(1000), "and none comes twice")
        }
    }
}
