// The program as a process of its own: its output, its errors, its exit status.
import Foundation
import SignalBridge
import TestSupport
import Testing

@testable import SignalsTool

#if os(Linux)
    @Suite("signals, the program")
    struct ToolTests {
        @Test(
            "A wrong command line ends with 64, and says what is wrong",
            arguments: [
                ([], "say what to do: inspect, watch or explain"),
                (["look", "1"], "\"look\" is none of inspect, watch and explain"),
                (["inspect"], "inspect needs a PID"), (["explain"], "explain needs a signal, such as SIGTERM"),
                (["inspect", "0"], "\"0\" is not a PID, which is a number above 0"),
                (["inspect", "-5"], "inspect has no option -5"),
                (["watch", "init"], "\"init\" is not a PID, which is a number above 0"),
                (["inspect", "1", "2"], "inspect takes one operand, not \"1\" and \"2\""),
                (["inspect", "--interval", "1", "1"], "inspect has no option --interval"),
                (["explain", "--signal", "INT", "TERM"], "explain has no option --signal"),
                (["inspect", "1", "--signal"], "--signal needs a value"),
                (["inspect", "1", "--signal", "FOO"], "there is no signal \"FOO\""),
                (["inspect", "--json=yes", "1"], "inspect has no option --json=yes"),
                (
                    ["watch", "1", "--interval", "0"],
                    "\"0\" is not an interval: a number of seconds from 0.01 to 86400"
                ),
                (
                    ["watch", "1", "--interval=inf"],
                    "\"inf\" is not an interval: a number of seconds from 0.01 to 86400"
                ),
                (["inspect", "--", "-5"], "\"-5\" is not a PID, which is a number above 0"),
                (["explain", "--", "--help"], "there is no signal \"--help\""),
                (["explain", "65"], "there is no signal \"65\""),
                (["explain", "SIGFOO"], "there is no signal \"SIGFOO\""),
            ])
        func usage(arguments: [String], complaint: String) async throws {
            let ended = try await ChildProcess([ChildProcess.binaries + "/signals"] + arguments).end()
            #expect(ended.code == 64 && ended.output.isEmpty)
            #expect(ended.errors == "signals: \(complaint); see signals --help\n")
        }

        @Test("Help is no error", arguments: ["--help", "-h", "help"])
        func help(word: String) async throws {
            let ended = try await ChildProcess.tool(word)
            #expect(ended.code == 0 && ended.output.hasPrefix("usage: signals inspect") && ended.errors.isEmpty)
        }

        @Test("Options may stand anywhere, with their value after a space or an equals sign")
        func options() throws {
            let expected = Command.watch(process: 7, signal: .sigint, interval: .milliseconds(250), json: true)
            #expect(try Command(["watch", "--json", "7", "--signal", "int", "--interval=0.25"]) == expected)
            #expect(try Command(["watch", "--interval", "0.25", "--signal=2", "7", "--json"]) == expected)
            #expect(try Command(["watch", "--json", "--signal=2", "--interval=0.25", "--", "7"]) == expected)
            #expect(
                try Command(["inspect", "7"]) == .inspect(process: 7, signal: .sigterm, json: false))
        }

        @Test("Without such a process the program ends with 1", arguments: ["inspect", "watch"])
        func noProcess(verb: String) async throws {
            let ended = try await ChildProcess.tool(verb, "2147483646")
            #expect(ended.code == 1 && ended.output.isEmpty)
            #expect(ended.errors == "signals: there is no process 2147483646\n")
        }

        @Test("A process that kill reaches is not called hidden where /proc is another PID namespace's")
        func otherNamespace() async throws {
            let last = try ProcFiles.text("/proc/sys/kernel/pid_max").split(separator: "\n").first.flatMap { Int32($0) }
            let id = try #require(last) - 1
            let script = """
                echo \(id - 1) 2>&- >/proc/sys/kernel/ns_last_pid || exit 77
                sleep 1000 &
                test $! = \(id) || exit 77
                "$0" inspect \(id)
                """
            let shell = ["/bin/sh", "-c", script, ChildProcess.binaries + "/signals"]
            let unshare = ["/usr/bin/unshare", "--pid", "--fork", "--kill-child"]
            guard let ended = try? await ChildProcess(unshare + shell).end(), ended.errors.hasPrefix("signals: ") else {
                print("otherNamespace: not tested: no permission for a PID namespace, or for the next pid in it")
                return
            }
            #expect(ended.code == 1 && ended.errors == "signals: there is no process \(id)\n")
        }

        @Test("The text names what the process does, and why kill does nothing")
        func text() async throws {
            try await Subject.with("blocks-in-all") { subject in
                #expect(await subject.shows { $0.threads.count == 2 })
                let ended = try await ChildProcess.tool("inspect", "\(subject.id)")
                let lines = ended.output.split(separator: "\n").map(String.init)
                #expect(ended.code == 0 && ended.errors.isEmpty)
                #expect(
                    lines[0]
                        == "\(subject.id) \(ChildProcess.binaries)/SignalsToolSubject blocks-in-all".prefix(
                            lines[0].count))
                #expect(
                    lines[1].hasPrefix("  state     it sleeps; 2 threads; uid \(getuid()); parent \(subject.keeper) ("))
                #expect(lines[2...3] == ["  catches   nothing", "  ignores   nothing"])
                #expect(lines[4].hasPrefix("  pending   nothing; queued for uid \(getuid()): "))
                #expect(lines[5] == "  threads   \(subject.id) (SignalsToolSubj) blocks INT TERM")
                #expect(lines[6].hasSuffix(" (SignalsToolSubj) blocks INT TERM"))
                #expect(lines[7] == "SIGTERM stays pending.")
                #expect(lines[8].hasPrefix("  - All 2 threads block SIGTERM: it stays pending until the program"))
                #expect(lines.allSatisfy { $0.count <= 100 })
            }
        }

        @Test("A thread's id leads to its process")
        func threadID() async throws {
            try await Subject.with("unblocks-in-one") { subject in
                let thread = try subject.snapshot().threads[1].id
                let ended = try await ChildProcess.tool("inspect", "\(thread)")
                #expect(ended.output.hasPrefix("\(thread) is a thread of process \(subject.id)\n\(subject.id) "))
            }
        }

        @Test("A name cannot send escape sequences to the terminal")
        func hostileName() async throws {
            try await Subject.with("hostile-name") { subject in
                let ended = try await ChildProcess.tool("inspect", "\(subject.id)")
                #expect(ended.output.contains("(a?[31m?b)) R)") && !ended.output.contains("\u{1B}"))
                #expect(ended.output.contains("parent \(subject.keeper) (b\\nSIGTERM c)"), "no name makes a line")
                #expect(try subject.snapshot().startTime > 0)
            }
        }

        @Test("Without the permission to send the signal, the program says so")
        func permission() async throws {
            let tool = ChildProcess.binaries + "/signals"
            try await Subject.with("blocks-in-all") { subject in
                let asNobody = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
                let words = getuid() == 0 ? asNobody + [tool, "inspect", "\(subject.id)"] : [tool, "inspect", "1"]
                let isPossible = access(words[0], X_OK) == 0
                let ended = try? await ChildProcess(words).end()
                guard isPossible, let ended, ended.code == 0 else {
                    print("permission: not tested: there is no setpriv(1), or nobody may not run \(tool)")
                    return
                }
                #expect(ended.output.contains("but not from you"))
                #expect(ended.output.contains("You may not send it a signal (EPERM): it runs as uid 0."))
                if getuid() != 0 { return }
                #expect(ended.output.contains("You may not see its descriptors"))
                let asks = asNobody + [tool, "inspect", "--signal", "CONT", "\(subject.id)"]
                let output = try await ChildProcess(asks).end().output
                #expect(output.contains("SIGCONT") && !output.contains("not from you"), "it is of the same session")
            }
        }

        @Test("The program writes all its output to a full socket that does not block, when there is room")
        func nonBlockingOutput() async throws {
            var ends: [Int32] = [-1, -1]
            let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
            #expect(socketpair(AF_UNIX, type, 0, &ends) == 0)
            defer { close(ends[0]) }
            var buffer = [UInt8](repeating: 0x2E, count: 4096)
            while write(ends[1], buffer, buffer.count) > 0 {}
            let tool = try ChildProcess([ChildProcess.binaries + "/signals", "--help"], terminal: ends[1])
            close(ends[1])
            #expect(
                await eventually {
                    let function = try? ProcFiles.text("/proc/\(tool.id)/wchan")
                    return function?.contains("poll") == true || (try? ProcessReader.read(tool.id))?.hasEnded != false
                })
            var text: [UInt8] = []
            #expect(
                await eventually {
                    var count = read(ends[0], &buffer, buffer.count)
                    while count > 0 {
                        text += buffer[..<count]
                        count = read(ends[0], &buffer, buffer.count)
                    }
                    return count == 0
                })
            #expect(await tool.end().code == 0)
            #expect(String(decoding: text, as: UTF8.self).hasSuffix("." + Command.usage + "\n"))
        }

        @Test("Colours go to a terminal alone, and NO_COLOR turns them off")
        func colors() async throws {
            let plain = try await ChildProcess.tool("explain", "TERM", environment: ["TERM": "xterm", "NO_COLOR": ""])
            #expect(plain.output.hasPrefix("SIGTERM, signal 15\n"))
            #expect(try await onTerminal(["TERM": "xterm", "NO_COLOR": ""]) == "\u{1B}[1mSIGTERM, signal 15\u{1B}[0m")
            #expect(try await onTerminal(["TERM": "xterm", "NO_COLOR": "1"]) == "SIGTERM, signal 15")
            #expect(try await onTerminal(["TERM": "dumb", "NO_COLOR": ""]) == "SIGTERM, signal 15")
        }

        /// The first line of what it prints to a terminal.
        private func onTerminal(_ environment: [String: String]) async throws -> String {
            var (master, slave): (Int32, Int32) = (-1, -1)
            #expect(openpty(&master, &slave, nil, nil, nil) == 0)
            defer { for end in [master, slave] { close(end) } }
            let words = [ChildProcess.binaries + "/signals", "explain", "TERM"]
            let ended = try await ChildProcess(words, environment: environment, terminal: slave).end()
            #expect(ended.code == 0)
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = read(master, &buffer, buffer.count)
            let text = String(decoding: buffer[..<max(0, count)], as: UTF8.self)
            return text.split(separator: "\r\n").first.map(String.init) ?? ""
        }
    }
#endif
