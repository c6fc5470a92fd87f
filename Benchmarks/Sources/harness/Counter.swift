import Foundation

/// Counts what a contestant does for one signal, with strace and callgrind.
struct Counter {
    /// Where instructions are executed. A library is known by the beginning of its file's name.
    enum Place: String, CaseIterable, Codable, CodingKeyRepresentable {
        case swift = "libswift", dispatch = "libdispatch", libc = "libc.so", program = ""
    }

    struct Instructions {
        let whole: Int
        let places: [Place: Int]
        /// Those in the function that was asked for, and in what it calls.
        let inHandler: Int?
    }

    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bench-counts-\(getpid())")
    /// Microseconds before each signal. A contestant that is not asleep then makes fewer calls, or more, from run to run.
    private let pause: UInt32 = 3000

    init() {
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func removeFiles() {
        try? FileManager.default.removeItem(at: folder)
    }

    /// The lines that strace writes while so many signals are answered, divided by their number.
    func systemCalls(_ command: [String], pings: Int) throws(Skipped) -> Double {
        let strace = try Self.tool("strace")
        let log = folder.appendingPathComponent("strace").path
        defer { try? FileManager.default.removeItem(atPath: log) }
        // -D: the contestant is the child, and strace a grandchild.
        let running = try Running([strace, "-D", "-f", "-qq", "-s", "1", "-o", log] + command)
        defer { running.end() }
        _ = try running.ping(pings, warmUp: 10, pause: pause)
        let before = try Self.settledCalls(log)
        _ = try running.ping(pings, warmUp: 0, pause: pause)
        return Double(try Self.settledCalls(log) - before) / Double(pings)
    }

    /// Instructions in user space, of all threads: the difference of a long and a short run.
    func instructions(
        _ command: [String], pings: Int, strip: Bool, handler: String? = nil
    ) throws(Skipped) -> Instructions {
        let valgrind = try Self.tool("valgrind")
        let profile = folder.appendingPathComponent("profile").path
        let callgrind = [valgrind, "--tool=callgrind", "--callgrind-out-file=\(profile)"]
        let command = callgrind + (strip ? stripped(command) : command)
        setenv("BENCH_PAUSE", "1", 1)
        defer { unsetenv("BENCH_PAUSE") }
        let few = try collect(command, pings: pings)
        let fewPlaces = Self.places(in: profile)
        let more = try collect(command, pings: 6 * pings)
        let morePlaces = Self.places(in: profile)
        var places: [Place: Int] = [:]
        for place in Place.allCases {
            places[place] = ((morePlaces[place] ?? 0) - (fewPlaces[place] ?? 0)) / (6 * pings)
        }
        let answered = 6 * pings + 6 * pings / 5
        let inHandler = handler.flatMap { Self.inclusive(of: $0, in: profile) }
        return Instructions(
            whole: (more - few) / (6 * pings), places: places, inHandler: inHandler.map { $0 / answered })
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

    private static func tool(_ name: String) throws(Skipped) -> String {
        guard
            let path = ["/usr/bin/\(name)", "/bin/\(name)"].first(where: FileManager.default.isExecutableFile(atPath:))
        else { throw .because("\(name) is not installed") }
        return path
    }

    /// The instructions of each place in callgrind's file, whose format its manual describes. `ob=` names the file of the
    /// code. A line that begins with a digit or a sign has a position and a cost. After `calls=`, it is the callee's.
    private static func places(in profile: String) -> [Place: Int] {
        let text = (try? String(contentsOfFile: profile, encoding: .utf8)) ?? ""
        var objects: [Substring: Place] = [:]
        var place = Place.program
        var costs: [Place: Int] = [:]
        var isOfCallee = false
        for line in text.utf8.split(separator: UInt8(ascii: "\n")).map(Substring.init) {
            if line.hasPrefix("ob=") || line.hasPrefix("cob=") {
                let words = line.drop { $0 != "(" }.split(separator: " ", maxSplits: 1)
                guard let id = words.first else { continue }
                if words.count == 2 {
                    let name = words[1].split(separator: "/").last ?? ""
                    objects[id] = Place.allCases.first { name.hasPrefix($0.rawValue) }
                }
                if line.hasPrefix("ob=") { place = objects[id] ?? .program }
            } else if line.hasPrefix("calls=") {
                isOfCallee = true
            } else if let first = line.first, first.isNumber || "+-*".contains(first) {
                if !isOfCallee, let cost = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) {
                    costs[place, default: 0] += cost
                }
                isOfCallee = false
            }
        }
        return costs
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
    private func collect(_ command: [String], pings: Int) throws(Skipped) -> Int {
        let log = folder.appendingPathComponent("callgrind").path
        defer { try? FileManager.default.removeItem(atPath: log) }
        var command = command
        command.insert("--log-file=\(log)", at: 1)
        let running = try Running(command, readyWithin: 60)
        _ = try running.ping(pings, warmUp: pings / 5, pause: pause)
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
