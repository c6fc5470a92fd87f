// Daemons of threads with real signals, while Swift's pool and Dispatch are blocked.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Threads with real signals") struct ThreadProcessTests {
    private static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> DaemonReport<Value>) {
        onThreadAndWait {
            do { try body().exit() } catch { say("\(error)") }
        }
    }

    @Test("A reload runs; then a shutdown asks the threads to stop, runs the actions, and runs the clean-ups last")
    func life() async {
        let result = await #expect(processExitsWith: .signal(SIGINT), observing: [\.standardOutputContent]) {
            limit()
            ThreadProcessTests.run {
                try Daemon.runBlocking { daemon in
                    try daemon.addThread("worker") { stop in
                        while !stop.wait(timeout: .milliseconds(5)) {}
                        say("worker")
                    }
                    try daemon.onReload {
                        say("reload")
                        kill(getpid(), SIGINT)
                    }
                    daemon.onGracefulShutdown { say("action") }
                    daemon.addCleanup("flush") { say("flush") }
                    kill(getpid(), SIGHUP)
                    daemon.waitForShutdown()
                }
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.hasPrefix("reload\n"), "\(output)")
        #expect(output.contains("worker\n") && output.contains("action\n"), "\(output)")
        #expect(output.hasSuffix("flush\n"), "\(output)")
    }

    @Test("While Swift's pool and Dispatch are blocked, threads stop, and the work of tasks is abandoned in time")
    func blockedPool() async {
        let result = await #expect(processExitsWith: .signal(SIGINT), observing: [\.standardOutputContent]) {
            limit()
            for _ in 0..<64 {
                Task.detached { hang() }
                DispatchQueue.global().async { hang() }
                DispatchQueue.global(qos: .userInteractive).async { hang() }
            }
            usleep(100_000)
            ThreadProcessTests.run {
                let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(300), cancelPeriod: .milliseconds(300))
                return try Daemon.runBlocking(policy: policy, onForcedExit: { say("\($0)") }) { daemon in
                    try daemon.addThread("worker") { stop in
                        stop.wait()
                        say("worker")
                    }
                    daemon.onGracefulShutdown("action") { say("the action ran") }
                    daemon.addCleanup("flush") { say("the clean-up ran") }
                    exitIfStillRunning(after: 0.6 + 1)
                    kill(getpid(), SIGINT)
                    daemon.waitForShutdown()
                }
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        for line in [
            "thread worker: finished", "body: finished", "action action: abandoned", "cleanup flush: abandoned",
        ] {
            #expect(output.contains(line), "\(output)")
        }
        #expect(output.hasPrefix("worker\n") && !output.contains("ran"), "\(output)")
    }

    @Test("The exit code after TERM is 0")
    func terminated() async {
        let result = await #expect(processExitsWith: .exitCode(0), observing: [\.standardOutputContent]) {
            limit()
            ThreadProcessTests.run {
                try Daemon.runBlocking { daemon in
                    try daemon.addThread("worker") { stop in
                        stop.wait()
                        say("worker")
                    }
                    kill(getpid(), SIGTERM)
                }
            }
        }
        #expect(result?.standardOutputContent.elementsEqual("worker\n".utf8) == true)
    }

    @Test("A thread and a body that hang are abandoned within the deadline plus one second", arguments: [true, false])
    func forced(bodyHangs: Bool) async {
        let result = await #expect(
            processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]
        ) { [bodyHangs] in
            limit()
            ThreadProcessTests.run {
                let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(500), cancelPeriod: .milliseconds(500))
                return try Daemon.runBlocking(policy: policy, onForcedExit: { say("\($0)") }) { daemon in
                    try daemon.addThread("stuck") { _ in hang() }
                    exitIfStillRunning(after: 1 + 1)
                    kill(getpid(), SIGTERM)
                    if bodyHangs { hang() }
                }
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("timed out while cancelling"), "\(output)")
        #expect(output.contains("thread stuck: abandoned"), "\(output)")
        #expect(output.contains("body: \(bodyHangs ? "abandoned" : "finished")"), "\(output)")
    }

    @Test("Second signals have their effects while the body blocks its thread")
    func secondSignal() async {
        let result = await #expect(processExitsWith: .signal(SIGINT), observing: [\.standardOutputContent]) {
            limit()
            let scene = Scene()
            startThread {
                func wait(_ condition: () -> Bool) { while !condition() { usleep(1000) } }
                wait { scene.steps.contains("up") }
                kill(getpid(), SIGINT)
                wait { scene.phases == [.draining] }
                kill(getpid(), SIGTERM)
                wait { scene.phases == [.draining, .cancelling] }
                kill(getpid(), SIGTERM)
            }
            ThreadProcessTests.run {
                try Daemon.runBlocking(
                    policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch,
                    onForcedExit: { _ in say("\(scene.responses)") }
                ) { _ in
                    scene.step("up")
                    hang()
                }
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        let responses: [DaemonTransition.Response] = [.beganShutdown, .escalated, .forcedExit]
        #expect(output.contains("\(responses)"), "\(output)")
    }

    @Test("The watchdog is answered while the body blocks its thread")
    func watchdog() async {
        await #expect(processExitsWith: .exitCode(0)) {
            limit()
            let inbox = try Inbox()
            ThreadProcessTests.run {
                let supervisor = Supervisor(socket: inbox.name, watchdog: .milliseconds(100))
                return try Daemon.runBlocking(supervisor: supervisor) { daemon in
                    daemon.notifyReady()
                    let deadline = Date(timeIntervalSinceNow: 30)
                    while inbox.count("WATCHDOG=1") < 5, Date() < deadline { usleep(10_000) }
                    if inbox.count("WATCHDOG=1") < 5 { _exit(3) }
                    if inbox.count("READY=1") != 1 { _exit(4) }
                }
            }
        }
    }

    @Test("Dispositions are restored, and an ignored signal stays ignored")
    func restored() async {
        await #expect(processExitsWith: .success) {
            limit()
            try SignalNumber.sigint.setDisposition(.ignore)
            install(countingHandler, for: .sigterm)
            let before = catchable.map(action(of:))
            onThreadAndWait {
                let report = try? Daemon.runBlocking { daemon in
                    #expect(disposition(of: .sigint) == .ignore)
                    kill(getpid(), SIGINT)
                    kill(getpid(), SIGTERM)
                    daemon.waitForShutdown()
                }
                #expect(report?.signals.map(\.signal) == [.sigterm])
            }
            #expect(catchable.map(action(of:)) == before)
            #expect(handledCount == 0)
        }
    }
}
