// SignalInit, from Swift. What the init does is tested by Tests/c/pid1.c, and with a daemon by Tests/integration.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("PID 1")
struct InitTests {
    @Test("Elsewhere runIfNeeded does nothing")
    func elsewhere() async throws {
        await #expect(processExitsWith: .success) {
            let before = getpid()
            try SignalInit.runIfNeeded()
            #expect(getpid() == before && before != 1)
            #expect(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD)
        }
    }

    #if os(Linux)
        @Test(
            "The program goes on in a child of PID 1, which exits with its code",
            .enabled(if: canMakePIDNamespaces, "no permission for a PID namespace: unshare(2)"),
            .enabled(if: !underThreadSanitizer, "the thread sanitizer's runtime does not survive fork(2) here"))
        func asInit() async {
            await #expect(processExitsWith: .success) {
                limit()
                let status = await onThread {
                    asPID1 {
                        do { try SignalInit.runIfNeeded() } catch { return 3 }
                        return getpid() != 1 && getppid() == 1 && getpgrp() == getpid() ? 7 : 4
                    }
                }
                #expect(status == 7)
            }
        }

        @Test(
            "With a second thread, PID 1 is refused, and the error says what to do",
            .enabled(if: canMakePIDNamespaces, "no permission for a PID namespace: unshare(2)"),
            .enabled(if: !underThreadSanitizer, "the thread sanitizer's runtime does not survive fork(2) here"))
        func withThreads() async {
            await #expect(processExitsWith: .success) {
                limit()
                let status = await onThread {
                    asPID1 {
                        startThread { sleep(60) }
                        do throws(SignalBridgeError) {
                            try SignalInit.runIfNeeded()
                            return 3
                        } catch {
                            let isRefused = error.code == .systemCallFailed && error.errnoCode == EBUSY
                            return isRefused && getpid() == 1 && "\(error)".contains("runIfNeeded() first") ? 7 : 4
                        }
                    }
                }
                #expect(status == 7)
            }
        }
    #endif
}

#if os(Linux)
    private let cloneNewPID: Int32 = 0x2000_0000
    private typealias Unshare = @convention(c) (Int32) -> Int32

    /// Children of this process are in a new PID namespace, the first as its init.
    private func newPIDNamespace() -> Bool {
        unsafeBitCast(dlsym(nil, "unshare"), to: Unshare.self)(cloneNewPID) == 0
    }

    private let canMakePIDNamespaces: Bool = forked { newPIDNamespace() ? 7 : 1 } == 7

    /// The exit code of a process with one thread that is PID 1 when it begins.
    private func asPID1(_ body: () -> Int32) -> Int32 {
        forked {
            guard newPIDNamespace() else { return 1 }
            return forked {
                typealias Control = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
                _ = unsafeBitCast(dlsym(nil, "prctl"), to: Control.self)(1, UInt(SIGKILL), 0, 0, 0)  // PR_SET_PDEATHSIG
                return body()
            }
        }
    }
#endif
