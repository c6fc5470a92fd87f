// Names and numbers.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Signal numbers") struct SignalNumberTests {
    @Test("Every signal that can be caught has a name that leads back to it", arguments: catchable)
    func roundTrip(signal: SignalNumber) {
        #expect(signal.name.hasPrefix("SIG"))
        #expect(signal.description == signal.name)
        for name in [signal.name, String(signal.name.dropFirst(3)), signal.name.lowercased()] {
            #expect(SignalNumber(name: name) == signal, "\(name)")
        }
    }

    @Test("SignalNumber.catchable lists exactly the signals that can be subscribed to, in order")
    func listed() {
        #expect(SignalNumber.catchable == catchable)
        for number in Int32(-1)...130 {
            let signal = SignalNumber(rawValue: number)
            if !SignalNumber.catchable.contains(signal) { #expect(refusal { _ = try SignalEvents(signal) } != nil) }
        }
    }

    @Test("Every signal of SignalNumber.catchable can be subscribed to, alone and with all the others")
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

    @Test("The constants have the system's numbers and names")
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
        "A text that names no signal gives nil",
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

    @Test("Numbers without a name print as numbers")
    func unnamed() {
        #expect(SignalNumber(rawValue: 99).name == "signal 99")
        #expect(SignalNumber(rawValue: -1).description == "signal -1")
        #expect(!SignalNumber(rawValue: 0).isRealtime)
    }

    #if os(Linux)
        @Test("Realtime signals count from SIGRTMIN")
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
