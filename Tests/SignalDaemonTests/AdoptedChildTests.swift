// Daemon.adoptChild: children that a forced exit kills.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// Whether the process runs: it exists, and is no zombie.
private func isAlive(_ process: pid_t) -> Bool {
    if kill(process, 0) != 0 { return false }
    #if os(Linux)
        let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        return status.map { !$0.contains(") Z ") } ?? false
    #else
        return true
    #endif
}

private func end(_ child: pid_t) {
    kill(child, SIGKILL)
    reap(child)
}

@Suite("Adopted children") struct AdoptedChildTests {
    @Test("A process that is no child is refused")
    func noChild() async throws {
        // The shell starts the grandchild and tells its id by a file.
        let path = "/tmp/signalbridge-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let child = spawnShell("sleep 600 & echo $! > \(path); wait", ownGroup: true)
        defer {
            kill(-child, SIGKILL)
            reap(child)
            unlink(path)
        }
        let written = Shared<pid_t?>(nil)
        let came = await eventually {
            written { $0 = (try? String(contentsOfFile: path, encoding: .utf8)).flatMap { pid_t($0.dropLast()) } }
            return written.now != nil
        }
        try #require(came)
        let grandchild = written.now!
        _ = try await simulate { _ in
            try await Daemon.run { daemon in
                for process in [0, 1, -1, -child, getpid(), getppid(), .min, .max, grandchild] {
                    let error = refusal { try daemon.adoptChild(process) }
                    #expect(error?.code == .invalidArgument, "\(process)")
                    #expect(error?.description.contains("\(process)") == true)
                }
                try daemon.adoptChild(child)
            }
        } drive: { _ in
        }
        #expect(isAlive(child) && isAlive(grandchild))
    }

    @Test("A child that was waited for is refused, and one that has only ended is not")
    func waitedFor() async throws {
        let child = spawnShell("exit 3")
        var info = siginfo_t()
        while waitid(P_PID, id_t(child), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        _ = try await simulate { _ in
            try await Daemon.run { daemon in
                try daemon.adoptChild(child)
                try daemon.adoptChild(child)
                var status: Int32 = 0
                #expect(waitpid(child, &status, WNOHANG) == child, "its status is still there")
                #expect(status >> 8 == 3)
                #expect(refusal { try daemon.adoptChild(child) }?.code == .invalidArgument)
            }
        } drive: { _ in
        }
    }

    @Test("A simulated forced exit kills no child, and neither does an ordinary end")
    func simulated() async throws {
        let child = spawnShell("exec sleep 600")
        defer { end(child) }
        let blocker = Blocker()
        defer { blocker.release() }
        for isForced in [false, true] {
            let (report, _) = try await simulate { scene in
                try await Daemon.run { daemon in
                    try daemon.adoptChild(child)
                    scene.step("up")
                    await daemon.shutdownRequested()
                    if isForced { await blocker.wait() }
                }
            } drive: { scene in
                try await scene.wait(for: "up")
                try scene.send(.sigterm)
                if isForced { scene.simulator.advance(seconds: 24) }
            }
            #expect((report.forcedExit != nil) == isForced)
            #expect(isAlive(child))
        }
    }

    @Test(
        "A forced exit kills the children that a daemon or its part has adopted, and no others",
        arguments: [true, false])
    func forced(isPart: Bool) async throws {
        let result = await #expect(processExitsWith: .signal(SIGTERM), observing: [\.standardOutputContent]) {
            [isPart] in
            limit()
            let policy = SignalPolicy.server.with(gracePeriod: .milliseconds(100), cancelPeriod: .milliseconds(100))
            let never = Blocker()
            let child = spawnShell("exec sleep 600")
            let group = spawnShell("sleep 600 & wait", ownGroup: true)
            let other = spawnShell("exec sleep 600")
            _ = try await Daemon.run(
                policy: policy,
                onForcedExit: { (_: DaemonReport<Void>) in  // called when that is done
                    for _ in 0..<40 where isAlive(child) || isAlive(group) { usleep(10_000) }
                    say("\(isAlive(child)) \(isAlive(group)) \(isAlive(other))")
                    for process in [child, -group, other] { kill(process, SIGKILL) }
                }
            ) { daemon in
                let adopt: @Sendable (Daemon) throws -> Void = { daemon in
                    try daemon.adoptChild(child)
                    try daemon.adoptChild(group)
                }
                if isPart {
                    try daemon.addPart("part") { part in
                        try adopt(part)
                        kill(getpid(), SIGTERM)
                        await never.wait()
                    }
                } else {
                    try adopt(daemon)
                    kill(getpid(), SIGTERM)
                }
                await never.wait()
            }
        }
        let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(output.contains("false false true"), "\(output)")
    }
}
