// Daemons of threads with real signals, and with nothing of Swift's or Dispatch's to help them.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite struct LifecycleBlockingProcesses {
    private static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> DaemonReport<Value>) {
        onThreadAndWait {
            do { try body().exit() } catch { say("\(error)") }
        }
    }

    @Test("while every thread of Swift and Dispatch is blocked: workers, actions, reloads and hooks run")
    func alone() async {
        let result = await #expect(processExitsWith: .signal(SIGINT), observing: [\.standardOutputContent]) {
            limit()
            for _ in 0..<64 {
                Task.detached { hang() }
                DispatchQueue.global().async { hang() }
                DispatchQueue.global(qos: .userInteractive).async { hang() }
            }
            usleep(100_000)
            LifecycleBlockingProcesses.run {
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
                    daemon.addCleanup("hook") { say("hook") }
                    kill(getpid(), SIGHUP)
                    daemon.waitForShutdown()
                }
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.hasPrefix("reload\n"), "\(output)")
        #expect(output.contains("worker\n") && output.contains("action\n"), "\(output)")
        #expect(output.hasSuffix("hook\n"), "\(output)")
    }

    @Test("the parent sees how it ended: code 0 after TERM")
    func terminated() async {
        let result = await #expect(processExitsWith: .exitCode(0), observing: [\.standardOutputContent]) {
            limit()
            LifecycleBlockingProcesses.run {
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

    @Test("a worker and a body that hang are abandoned within the deadline plus one second", arguments: [true, false])
    func forced(bodyHangs: Bool) async {
        let result = await #expect(
            processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]
        ) { [bodyHangs] in
            limit()
            LifecycleBlockingProcesses.run {
                let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(500), cancelPeriod: .milliseconds(500))
                return try Daemon.runBlocking(policy: policy, onForce: { say("\($0)") }) { daemon in
                    try daemon.addThread("stuck") { _ in hang() }
                    overdue(after: 1 + 1)
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

    @Test("second signals are heard while the body blocks the thread that called")
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
            LifecycleBlockingProcesses.run {
                try Daemon.runBlocking(
                    onTransition: scene.watch, onForce: { _ in say("\(scene.responses)") }
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

    @Test("the watchdog is answered by the library's thread, whatever the program's threads do")
    func watchdog() async {
        await #expect(processExitsWith: .exitCode(0)) {
            limit()
            let inbox = try Inbox()
            for _ in 0..<256 { Task.detached { hang() } }
            LifecycleBlockingProcesses.run {
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

    @Test("dispositions are as they were, and what is ignored stays so")
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
