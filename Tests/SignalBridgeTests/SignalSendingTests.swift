// Sending signals to processes and groups.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Sending") struct SignalSendingTests {
    @Test("A process id that names a group, or all processes, is refused", arguments: [pid_t(0), -1, -100, .min])
    func groups(process: pid_t) {
        for value in [nil, 7] {
            let error = refusal { try SignalNumber.sigwinch.send(to: process, value: value) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.description.isEmpty == false)
        }
    }

    @Test("A process that is gone is reported with its errno", arguments: [nil, 7])
    func gone(value: Int?) {
        let child = spawnShell("exit 0")
        reap(child)
        let error = refusal { try SignalNumber.sigterm.send(to: child, value: value) }
        #expect(error?.code == .systemCallFailed)
        #expect(error?.errnoCode == ESRCH)
        #expect(error?.signal == .sigterm)
    }

    @Test("A signal number that does not exist is refused", arguments: [Int32(0), -1, 65, 100, .max])
    func numbers(number: Int32) {
        #expect(refusal { try SignalNumber(rawValue: number).send(to: getpid()) }?.code == .outOfRange)
    }

    @Test("A group id that names no one group is refused", arguments: [pid_t(1), 0, -1, -100, .min])
    func groupIDs(group: pid_t) {
        let error = refusal { try SignalNumber.sigwinch.send(toGroup: group) }
        #expect(error?.code == .invalidArgument && error?.signal == .sigwinch, "\(String(describing: error))")
        #expect(refusal { try SignalNumber(rawValue: 100).send(toGroup: group) }?.code == .outOfRange)
    }

    @Test("A group that is gone is reported with its errno")
    func groupIsGone() {
        let child = spawnShell("exit 0", ownGroup: true)
        reap(child)
        let error = refusal { try SignalNumber.sigterm.send(toGroup: child) }
        #expect(error?.code == .systemCallFailed && error?.signal == .sigterm, "\(String(describing: error))")
        #expect(error?.errnoCode == ESRCH)
    }

    @Test("A signal to a group reaches each process of it, and not the sender")
    func reachesGroup() async {
        await #expect(processExitsWith: .success) {
            limit()
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            // Both hold the pipe's other end, so that it closes when both have ended.
            let child = spawnShell("sleep 1000 & echo > /dev/fd/\(ends[1]); exec sleep 1000", ownGroup: true)
            close(ends[1])
            var byte: UInt8 = 0
            #expect(read(ends[0], &byte, 1) == 1, "both run")
            try SignalNumber.sigterm.send(toGroup: child)
            var status: Int32 = 0
            #expect(waitpid(child, &status, 0) == child)
            #expect(status & 0x7f == SIGTERM, "\(status)")
            #expect(read(ends[0], &byte, 1) == 0, "nobody is left")
        }
    }

    @Test("A signal reaches another process")
    func reaches() {
        let child = spawnShell("exec sleep 100")
        #expect(throws: Never.self) { try SignalNumber.sigkill.send(to: child) }
        var status: Int32 = 0
        #expect(waitpid(child, &status, 0) == child)
        #expect(status & 0x7f == SIGKILL)
    }
}
