// The files of /proc, as text.
import SignalBridge
import Testing

@testable import SignalsTool

@Suite("The files of /proc")
struct ParsingTests {
    @Test("A status file")
    func status() {
        let file = StatusFile(
            "Name:\ta:b c\nState:\tt (tracing stop)\nNSpid:\t77\t1\nSigQ:\t3/90\nSigBlk:\t0000000000004002\nbroken\n")
        #expect(file.text("Name") == "a:b c" && file.state == .traced)
        #expect(file.numbers("NSpid") as [Int32] == [77, 1] && file.numbers("SigQ") as [Int] == [3, 90])
        #expect(file.signals("SigBlk") == SignalSet(.sigint, .sigterm))
        #expect(file.text("broken") == nil && file.signals("SigIgn").isEmpty && file.number("PPid") as Int32? == nil)
    }

    @Test("A stat file, whatever the name is")
    func stat() {
        let rest = "S 1 1 1 0 -1 2129984 102 0 0 0 0 0 0 0 20 0 1 0 4242 0 0"
        for name in ["sh", "a) R 1", ") (", "x y", "x\u{0600}", "x\u{200D}"] {
            let file = StatFile("7 (\(name)) \(rest)\n")
            #expect(file?.startTime == 4242 && file?.isKernelThread == true && file?.isExiting == false)
        }
        #expect(StatFile("7 (sh) S 1") == nil && StatFile("") == nil)
    }

    @Test("Characters that could deceive the reader of a terminal are replaced")
    func harmless() {
        #expect(ProcFiles.harmless("a\u{1B}[31m\r\u{9B}b\n\tc\0é") == "a?[31m??b\n\tc\0é")
        for value in Array(0x2028...0x202E) + Array(0x2066...0x2069) {
            #expect(ProcFiles.harmless("a\(Unicode.Scalar(value)!)b") == "a?b", "\(value)")
        }
    }

    @Test("A system call")
    func systemCall() {
        #expect(SystemCall("running\n") == nil && SystemCall("-1 0x7ffe 0x7f49\n") == nil && SystemCall("") == nil)
        let call = SystemCall("128 0x7ffea5225830 0x0 0x0 0x8 0x0 0x0 0x7ffe 0x7f48\n")
        #expect(call?.firstArgument == 0x7ffe_a522_5830)
    }

    @Test("A set of signals in words")
    func sets() {
        #expect(SignalSet().description == "nothing")
        #expect(SignalSet(.sigterm, .sigint).description == "INT TERM")
        #expect(SignalSet(bits: ~0).description == "all signals")
        #expect(SignalSet(bits: ~0).subtracting(SignalSet(.sigterm)).description == "all but TERM")
        #expect(SignalSet(hexadecimal: "00000000000000000000000000004000") == SignalSet(.sigterm))
        #expect(SignalSet(hexadecimal: "x") == nil)
        #expect(SignalSet(bits: 1 << 32 | 2).description == "INT" && SignalSet(bits: 1 << 32).description == "nothing")
        #expect(SignalSet(hexadecimal: "0000000000000100")?.description == "KILL")
        #expect(SignalSet(.sigkill, .sigstop).ofPrograms.signals == [.sigkill, .sigstop])
        #expect(SignalSet(bits: ~0).subtracting(.unstoppable).description == "all signals")
    }
}
