// Names and numbers, and sending.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite struct SignalNumbers {
    @Test("every signal that can be caught has a name that leads back to it", arguments: catchable)
    func roundTrip(signal: SignalNumber) {
        #expect(signal.name.hasPrefix("SIG"))
        #expect(signal.description == signal.name)
        for name in [signal.name, String(signal.name.dropFirst(3)), signal.name.lowercased()] {
            #expect(SignalNumber(name: name) == signal, "\(name)")
        }
    }

    @Test("SignalNumber.catchable lists what can be subscribed to, in order, and nothing else")
    func listed() {
        #expect(SignalNumber.catchable == catchable)
        for number in Int32(-1)...130 {
            let signal = SignalNumber(rawValue: number)
            if !SignalNumber.catchable.contains(signal) { #expect(refusal { _ = try SignalEvents(signal) } != nil) }
        }
    }

    @Test("every signal of SignalNumber.catchable can be subscribed to, alone and with all the others")
    func subscribed() async {
        await #expect(processExitsWith: .success) {
            limit()
            for signal in SignalNumber.catchable {
                let waiter = try SignalWaiter(signal)
                #expect(disposition(of: signal) == .handler, "\(signal)")
                waiter.cancel()
            }
            let events = try SignalEvents(SignalNumber.catchable)
            #expect(SignalNumber.catchable.allSatisfy { disposition(of: $0) == .handler })
            events.finish()
        }
    }

    @Test("the constants have the system's numbers and names")
    func constants() {
        let all: [(SignalNumber, Int32, String)] = [
            (.sighup, SIGHUP, "HUP"), (.sigint, SIGINT, "INT"), (.sigquit, SIGQUIT, "QUIT"), (.sigill, SIGILL, "ILL"),
            (.sigtrap, SIGTRAP, "TRAP"), (.sigabrt, SIGABRT, "ABRT"), (.sigbus, SIGBUS, "BUS"),
            (.sigfpe, SIGFPE, "FPE"),
            (.sigkill, SIGKILL, "KILL"), (.sigsegv, SIGSEGV, "SEGV"), (.sigsys, SIGSYS, "SYS"),
            (.sigpipe, SIGPIPE, "PIPE"), (.sigalrm, SIGALRM, "ALRM"), (.sigterm, SIGTERM, "TERM"),
            (.sigusr1, SIGUSR1, "USR1"), (.sigusr2, SIGUSR2, "USR2"), (.sigchld, SIGCHLD, "CHLD"),
            (.sigcont, SIGCONT, "CONT"), (.sigstop, SIGSTOP, "STOP"), (.sigtstp, SIGTSTP, "TSTP"),
            (.sigttin, SIGTTIN, "TTIN"), (.sigttou, SIGTTOU, "TTOU"), (.sigurg, SIGURG, "URG"),
            (.sigxcpu, SIGXCPU, "XCPU"), (.sigxfsz, SIGXFSZ, "XFSZ"), (.sigvtalrm, SIGVTALRM, "VTALRM"),
            (.sigprof, SIGPROF, "PROF"), (.sigio, SIGIO, "IO"), (.sigwinch, SIGWINCH, "WINCH"),
        ]
        for (signal, number, name) in all {
            #expect(signal.rawValue == number)
            #expect(signal.name == "SIG" + name)
            #expect(SignalNumber(name: name) == signal)
            #expect(!signal.isRealtime)
        }
    }

    @Test(
        "what is no name gives nil",
        arguments: [
            "", "SIG", "FOO", "SIGSIGTERM", " TERM", "TERM ", "15", "RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMIN+",
            "RTMAX-",
            "RTMIN+-1", "RTMIN++1", "RTMIN+ 1", "RTMIN+99999999999999", "RTMIN+2147483647", "RTMAX-2147483647",
            "RTMINI",
            "signal 99", "RTMIN+é", "RTMIN3",
        ])
    func notAName(name: String) {
        #expect(SignalNumber(name: name) == nil)
    }

    @Test("numbers without a name print as numbers")
    func unnamed() {
        #expect(SignalNumber(rawValue: 99).name == "signal 99")
        #expect(SignalNumber(rawValue: -1).description == "signal -1")
        #expect(!SignalNumber(rawValue: 0).isRealtime)
    }

    #if os(Linux)
        @Test("realtime signals count from SIGRTMIN")
        func realtime() {
            #expect(SignalNumber.realtime(0).rawValue == __libc_current_sigrtmin())
            #expect(SignalNumber.realtime(0).name == "SIGRTMIN")
            #expect(SignalNumber.realtime(2).description == "SIGRTMIN+2")
            #expect(SignalNumber(name: "RTMIN") == .realtime(0))
            #expect(SignalNumber(name: "rtmin+3") == .realtime(3))
            #expect(SignalNumber(name: "RTMAX")?.rawValue == __libc_current_sigrtmax())
            #expect(SignalNumber(name: "SIGRTMAX-1")?.rawValue == __libc_current_sigrtmax() - 1)
            #expect(SignalNumber.realtime(0).isRealtime)
            #expect(!SignalNumber.realtime(1000).isRealtime)
        }
    #endif
}

@Suite struct Sending {
    @Test("groups and everybody are refused", arguments: [pid_t(0), -1, -100, .min])
    func groups(process: pid_t) {
        for value in [nil, 7] {
            let error = refusal { try SignalNumber.sigwinch.send(to: process, value: value) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.description.isEmpty == false)
        }
    }

    @Test("a process that is gone is reported with its errno", arguments: [nil, 7])
    func gone(value: Int?) {
        let child = spawnShell("exit 0")
        reap(child)
        let error = refusal { try SignalNumber.sigterm.send(to: child, value: value) }
        #expect(error?.code == .systemCallFailed)
        #expect(error?.errnoCode == ESRCH)
        #expect(error?.signal == .sigterm)
    }

    @Test("numbers that do not exist are refused", arguments: [Int32(0), -1, 65, 100, .max])
    func numbers(number: Int32) {
        #expect(refusal { try SignalNumber(rawValue: number).send(to: getpid()) }?.code == .outOfRange)
    }

    @Test("ids that name no one group are refused", arguments: [pid_t(1), 0, -1, -100, .min])
    func groupIDs(group: pid_t) {
        let error = refusal { try SignalNumber.sigwinch.send(toGroup: group) }
        #expect(error?.code == .invalidArgument && error?.signal == .sigwinch, "\(String(describing: error))")
        #expect(refusal { try SignalNumber(rawValue: 100).send(toGroup: group) }?.code == .outOfRange)
    }

    @Test("a group that is gone is reported with its errno")
    func groupIsGone() {
        let child = spawnShell("exit 0", ownGroup: true)
        reap(child)
        let error = refusal { try SignalNumber.sigterm.send(toGroup: child) }
        #expect(error?.code == .systemCallFailed && error?.signal == .sigterm, "\(String(describing: error))")
        #expect(error?.errnoCode == ESRCH)
    }

    @Test("a signal to a group reaches each process of it, and not the sender")
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

    @Test("a signal reaches another process")
    func reaches() {
        let child = spawnShell("exec sleep 100")
        #expect(throws: Never.self) { try SignalNumber.sigkill.send(to: child) }
        var status: Int32 = 0
        #expect(waitpid(child, &status, 0) == child)
        #expect(status & 0x7f == SIGKILL)
    }
}
