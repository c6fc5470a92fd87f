// Policies with signals that stop a process by default.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

// The thread sanitizer starts no threads in a forked child.
@Suite("Signals that stop a process by default", .enabled(if: !underThreadSanitizer)) struct StoppingSignalTests {
    /// How a forked child ended: its exit code, the negative number of the signal that ended it, or 1,000 if it was stopped.
    private static func end(of body: () -> Int32) -> Int32 {
        typealias Fork = @convention(c) () -> pid_t
        let child = unsafeBitCast(dlsym(nil, "fork"), to: Fork.self)()
        if child == 0 {
            alarm(60)
            setpgid(0, 0)
            _exit(body())
        }
        var status: Int32 = 0
        while waitpid(child, &status, WUNTRACED) < 0 && errno == EINTR {}
        if status & 0xff == 0x7f {
            kill(child, SIGKILL)
            reap(child)
            return 1000
        }
        return status & 0x7f != 0 ? -(status & 0x7f) : status >> 8 & 0xff
    }

    @Test(
        "A forced exit ends the process with the code 128 + signal, and does not stop it",
        arguments: [SIGTSTP, SIGTTIN, SIGTTOU], ["graceful", "hard exit"])
    func forcedExit(number: Int32, meaning: String) async {
        await #expect(processExitsWith: .success) { [number, meaning] in
            limit()
            await onThread {
                let end = StoppingSignalTests.end {
                    let signal = SignalNumber(rawValue: number)
                    let isHard = meaning == "hard exit"
                    guard
                        let policy = try? SignalPolicy(
                            hardExit: isHard ? [signal] : [], graceful: isHard ? [] : [signal]
                        )
                        .with(gracePeriod: .milliseconds(10), cancelPeriod: .milliseconds(10))
                    else { return 2 }
                    _ = try? Daemon.runBlocking(policy: policy) { _ in
                        kill(getpid(), number)
                        hang()
                    }
                    return 3
                }
                #expect(end == 128 + number)
            }
        }
    }

    @Test("A hard exit ends the process with the code 128 + signal", arguments: [SIGTSTP, SIGTTIN, SIGTTOU])
    func hardExit(number: Int32) async {
        await #expect(processExitsWith: .success) { [number] in
            limit()
            await onThread {
                let end = StoppingSignalTests.end {
                    guard let policy = try? SignalPolicy(hardExit: [SignalNumber(rawValue: number)]) else { return 2 }
                    let report = try? Daemon.runBlocking(policy: policy) { daemon in
                        kill(getpid(), number)
                        daemon.waitForShutdown()
                    }
                    report?.exit()
                    return 3
                }
                #expect(end == 128 + number)
            }
        }
    }
}
