// NOTIFY_SOCKET and the watchdog, by the real clock.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// The environment of a daemon.
enum Environment: String, Codable, CaseIterable {
    case path, abstract, none, empty, refused, simulated, ownWatchdog, othersWatchdog, anyonesWatchdog

    func set(_ inbox: Inbox) {
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] { unsetenv(name) }
        if self != .none { setenv("NOTIFY_SOCKET", self == .empty ? "" : inbox.name, 1) }
        switch self {
        case .ownWatchdog: setenv("WATCHDOG_PID", "\(getpid())", 1)
        case .othersWatchdog: setenv("WATCHDOG_PID", "\(getppid())", 1)
        case .anyonesWatchdog: break
        default: return
        }
        setenv("WATCHDOG_USEC", "200000", 1)
    }

    var isNotified: Bool { ![.none, .empty, .refused, .simulated].contains(self) }
    var hasWatchdog: Bool { self == .ownWatchdog || self == .anyonesWatchdog }
}

@Suite("Supervisors with real signals") struct SupervisorProcessTests {
    @Test("The environment names the supervisor", arguments: Environment.allCases)
    func environment(given: Environment) async {
        await #expect(processExitsWith: .success) { [given] in
            limit()
            let inbox = try Inbox(abstract: given == .abstract)
            given.set(inbox)
            let scene = Scene()
            let run: @Sendable () async throws -> DaemonReport<Void> = {
                try await Daemon.run(
                    supervisor: given == .refused ? .disabled : .fromEnvironment, onTransition: scene.watch
                ) { daemon in
                    daemon.notifyReady()
                    if given.hasWatchdog { try await inbox.wait(for: "WATCHDOG=1", times: 3) }
                    try await Task.sleep(for: .milliseconds(300))
                    daemon.shutdown()
                }
            }
            let report: DaemonReport<Void>
            if given == .simulated {
                report = try await withSimulatedSignals { _ in try await run() }
            } else {
                report = try await run()
            }
            #expect(report.outcomes == ["body": "finished"])
            let lines = inbox.lines.filter { $0 != "WATCHDOG=1" }
            #expect(lines == (given.isNotified ? ["READY=1", "STOPPING=1", extend] : []), "\(inbox.datagrams)")
            #expect((inbox.count("WATCHDOG=1") > 0) == given.hasWatchdog)
            #expect(!scene.transitions.contains { if case .notificationFailed = $0 { true } else { false } })
        }
    }

    @Test("RELOADING has the time on CLOCK_MONOTONIC at which the reload began")
    func monotonic() async {
        await #expect(processExitsWith: .success) {
            limit()
            let inbox = try Inbox()
            func now() -> UInt64 {
                var time = timespec()
                clock_gettime(CLOCK_MONOTONIC, &time)
                return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
            }
            let start = now()
            let report = try await Daemon.run(supervisor: Supervisor(socket: inbox.name)) { daemon in
                try daemon.onReload { try await inbox.wait(for: "RELOADING=1") }
                daemon.notifyReady()
                kill(getpid(), SIGHUP)
                try await inbox.wait(for: "READY=1", times: 2)
            }
            #expect(report.reloads == 1)
            let text = try #require(inbox.lines.first { $0.hasPrefix("MONOTONIC_USEC=") })
            let time = try #require(UInt64(text.dropFirst("MONOTONIC_USEC=".count)))
            #expect(start <= time && time <= now(), "\(start), \(time), \(now())")
        }
    }

    @Test("The watchdog is answered while the check returns true")
    func check() async {
        await #expect(processExitsWith: .success) {
            limit()
            let inbox = try Inbox()
            let healthy = Shared(true)
            let supervisor = Supervisor(socket: inbox.name, watchdog: .milliseconds(100))
            let report = try await Daemon.run(supervisor: supervisor) { daemon in
                daemon.setWatchdogCheck { healthy.now }
                daemon.notifyReady()
                try await inbox.wait(for: "WATCHDOG=1", times: 3)
                healthy { $0 = false }
                try await Task.sleep(for: .milliseconds(200))  // in which an answer that is under way may come
                let count = inbox.count("WATCHDOG=1")
                try await Task.sleep(for: .milliseconds(500))
                #expect(inbox.count("WATCHDOG=1") == count)
                healthy { $0 = true }
                try await inbox.wait(for: "WATCHDOG=1", times: count + 3)
                // A check that does not return in time is no answer either.
                daemon.setWatchdogCheck {
                    try? await untilCancelled()
                    return true
                }
                try await Task.sleep(for: .milliseconds(300))
                let later = inbox.count("WATCHDOG=1")
                try await Task.sleep(for: .milliseconds(500))
                #expect(inbox.count("WATCHDOG=1") == later)
            }
            #expect(report.outcomes == ["body": "finished"])
        }
    }

    @Test("The watchdog is not answered while Swift's pool is blocked")
    func blockedPool() async {
        await #expect(processExitsWith: .success) {
            limit()
            let inbox = try Inbox()
            let supervisor = Supervisor(socket: inbox.name, watchdog: .milliseconds(100))
            let report = try await Daemon.run(supervisor: supervisor) { daemon in
                daemon.notifyReady()
                try await inbox.wait(for: "WATCHDOG=1", times: 2)
                for _ in 0..<256 { Task.detached { hang() } }
                // This thread is one of the pool's too.
                usleep(900_000)
                let count = inbox.count("WATCHDOG=1")
                usleep(900_000)
                if inbox.count("WATCHDOG=1") == count { _exit(0) }
                say("it was answered: \(count), \(inbox.count("WATCHDOG=1"))")
                _exit(1)
            }
            say("\(report)")
            _exit(2)
        }
    }

    @Test("A supervisor that reads nothing does not delay the end")
    func fullSocket() async {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            limit()
            let inbox = try Inbox()
            let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(500), cancelPeriod: .milliseconds(500))
            _ = try await Daemon.run(
                policy: policy, supervisor: Supervisor(socket: inbox.name), onForcedExit: { say("\($0)") }
            ) { daemon in
                // More datagrams than a socket holds. The calls do not wait for all of them.
                startThread {
                    for index in 0..<10_000 { daemon.setStatus("\(index)") }
                }
                usleep(200_000)
                withExtendedLifetime(inbox) {
                    exitIfStillRunning(after: 1 + 1)
                    kill(getpid(), SIGTERM)
                    hang()
                }
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("timed out while cancelling"), "\(output)")
    }

    @Test("An onTransition that hangs does not silence the supervisor: each datagram is sent in time")
    func hangingOnTransition() async {
        await #expect(processExitsWith: .success) {
            limit()
            let inbox = try Inbox()
            let (isHung, release) = (Shared(false), DispatchSemaphore(value: 0))
            let report = try await Daemon.run(
                supervisor: Supervisor(socket: inbox.name, watchdog: .milliseconds(200)),
                onTransition: { _ in
                    if isHung.now { return }
                    isHung { $0 = true }
                    release.wait()
                }
            ) { daemon in
                defer { release.signal() }
                #expect(await eventually { isHung.now })
                try daemon.onReload {}
                daemon.notifyReady()
                daemon.setStatus("serving")
                try await inbox.wait(for: "STATUS=serving")
                try await inbox.wait(for: "WATCHDOG=1", times: 3)
                kill(getpid(), SIGHUP)
                try await inbox.wait(for: "READY=1", times: 2)
                kill(getpid(), SIGTERM)
                try await inbox.wait(for: "STOPPING=1")
                try await inbox.wait(for: extend)
            }
            #expect(report.outcomes == ["body": "finished"])
            #expect(report.exitStatus == .code(0))
        }
    }

    @Test("A daemon becomes ready only before its shutdown: notifyReady sends nothing after STOPPING")
    func readyTooLate() async {
        await #expect(processExitsWith: .success) {
            limit()
            let inbox = try Inbox()
            let report = try await Daemon.run(supervisor: Supervisor(socket: inbox.name)) { daemon in
                daemon.addCleanup("ready") { daemon.notifyReady() }
                kill(getpid(), SIGTERM)
                await daemon.shutdownRequested()
                daemon.notifyReady()
                daemon.setStatus("the last one")
            }
            #expect(report.exitStatus == .code(0))
            try await inbox.wait(for: "STATUS=the last one")
            #expect(inbox.count("STOPPING=1") == 1)
            #expect(inbox.count("READY=1") == 0, "\(inbox.lines)")
        }
    }
}
