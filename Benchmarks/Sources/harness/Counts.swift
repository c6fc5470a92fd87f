import Foundation

/// System calls and instructions for each signal, from the signal to the answer and back to sleep: the same on a busy machine.
struct Counts {
    struct Row: Codable {
        let name: String
        let group: Contestant.Group
        /// Of all threads, by strace.
        let systemCalls: Double?
        /// In user space, of all threads, by callgrind.
        let instructions: Int?
        /// Those of them in the signal handler, where there is one whose name is known.
        let inHandler: Int?
    }

    private(set) var rows: [Row] = []
    private(set) var skipped: [String: String] = [:]
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bench-counts-\(getpid())")
    /// A contestant that is not asleep when the next signal comes makes fewer calls, or more, from run to run.
    private static let pause: UInt32 = 3000
    private static let handlers = ["selfpipe": "on_ping", "threads": "on_ping", "c-handler": "csigshim__handler"]

    init(_ contestants: [Contestant], _ programs: Programs, pings: Int) {
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for contestant in contestants {
            guard let command = programs.command(contestant, "pingpong") else {
                skipped[contestant.name] = "is not installed"
                continue
            }
            var systemCalls: Double?
            var instructions: (whole: Int, inHandler: Int?)?
            do throws(Skipped) {
                systemCalls = try countSystemCalls(command, pings: pings)
            } catch {
                skipped["system calls, \(contestant.name)"] = error.description
            }
            do throws(Skipped) {
                instructions = try countInstructions(contestant, command, pings: pings)
            } catch {
                skipped["instructions, \(contestant.name)"] = error.description
            }
            rows.append(
                Row(
                    name: contestant.name, group: contestant.group, systemCalls: systemCalls,
                    instructions: instructions?.whole, inHandler: instructions?.inHandler))
            progress("counts: \(contestant.name)")
        }
    }

    subscript(name: String) -> Row? { rows.first { $0.name == name } }

    /// The lines that strace writes while so many pings are answered.
    private func countSystemCalls(_ command: [String], pings: Int) throws(Skipped) -> Double {
        let strace = try Self.tool("strace")
        let log = folder.appendingPathComponent("strace").path
        defer { try? FileManager.default.removeItem(atPath: log) }
        // -D: the contestant is the child, and strace a grandchild.
        let running = try Running([strace, "-D", "-f", "-qq", "-s", "1", "-o", log] + command)
        defer { running.end() }
        _ = try running.ping(pings, warmUp: 10, pause: Self.pause)
        let before = try Self.settledCalls(log)
        _ = try running.ping(pings, warmUp: 0, pause: Self.pause)
        return (Double(try Self.settledCalls(log) - before) / Double(pings) * 10).rounded() / 10
    }

    /// Calls in strace's log, once it grows no more.
    private static func settledCalls(_ log: String) throws(Skipped) -> Int {
        var last = -1
        for _ in 0..<100 {
            let calls = Strace.calls(log).total
            if calls == last { return calls }
            last = calls
            usleep(50_000)
        }
        throw .because("makes system calls all the time")
    }

    private func countInstructions(
        _ contestant: Contestant, _ command: [String], pings: Int
    ) throws(Skipped) -> (whole: Int, inHandler: Int?) {
        let valgrind = try Self.tool("valgrind")
        guard contestant.group != .node, contestant.group != .go else {
            throw .because("its runtime does not work under callgrind")
        }
        let profile = folder.appendingPathComponent("profile").path
        let tool = [valgrind, "--tool=callgrind", "--callgrind-out-file=\(profile)"]
        let command = contestant.group == .python ? command : stripped(command)
        setenv("BENCH_PAUSE", "1", 1)
        defer { unsetenv("BENCH_PAUSE") }
        let few = try collected(tool + command, pings: pings)
        let more = try collected(tool + command, pings: 6 * pings)
        let answered = 6 * pings + 6 * pings / 5
        let handler = Self.handlers[contestant.name].flatMap { Self.inclusive(of: $0, in: profile) }
        return ((more - few) / (6 * pings), handler.map { $0 / answered })
    }

    private static func tool(_ name: String) throws(Skipped) -> String {
        guard
            let path = ["/usr/bin/\(name)", "/bin/\(name)"].first(where: FileManager.default.isExecutableFile(atPath:))
        else { throw .because("\(name) is not installed") }
        return path
    }

    /// What callgrind_annotate says of a function and of what it calls.
    private static func inclusive(of function: String, in profile: String) -> Int? {
        let text = Results.Machine.output([
            "/usr/bin/callgrind_annotate", "--inclusive=yes", "--threshold=100", profile,
        ])
        let line = text.split(separator: "\n").first { $0.contains(":\(function) ") || $0.hasSuffix(":\(function)") }
        return line?.split(separator: " ").first.flatMap { Int($0.replacingOccurrences(of: ",", with: "")) }
    }

    /// A copy without debugging information, which some versions of valgrind cannot read; it has its symbols.
    private func stripped(_ command: [String]) -> [String] {
        let copy = folder.appendingPathComponent((command[0] as NSString).lastPathComponent).path
        if !FileManager.default.fileExists(atPath: copy) {
            _ = Results.Machine.output(["/usr/bin/strip", "-g", "-o", copy, command[0]])
        }
        return FileManager.default.fileExists(atPath: copy) ? [copy] + command.dropFirst() : command
    }

    /// Callgrind's own count of a run with so many pings, and a fifth of them before.
    private func collected(_ command: [String], pings: Int) throws(Skipped) -> Int {
        let log = folder.appendingPathComponent("callgrind").path
        defer { try? FileManager.default.removeItem(atPath: log) }
        var command = command
        command.insert("--log-file=\(log)", at: 1)
        let running = try Running(command, readyWithin: 60)
        _ = try running.ping(pings, warmUp: pings / 5, pause: Self.pause)
        kill(running.process, SIGTERM)
        _ = running.lastWords(patience: 20)
        running.end()
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.contains("Collected :") }
        guard let number = line?.split(separator: " ").last.flatMap({ Int($0) }) else {
            throw .because("callgrind gave no count")
        }
        return number
    }
}
