// bench [--smoke] [--programs FOLDER] [--sources FOLDER] [--python PROGRAM] [--only NAME,NAME] [--parts PART,PART]
//       [--json FILE] [--charts FOLDER] [--baseline FILE] [--write-baseline FILE]
// Parts: latency, saturated, storm, footprint, counts, growth, size. --baseline: the counts of this library may not be more than
// those in the file. Status 1: that, or --smoke and something does not work.
import CBench
import Foundation

@main
enum Bench {
    static func main() throws {
        var arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == "sender" { Storm.send(Array(arguments.dropFirst())) }
        var options: [String: String] = [:]
        while let option = arguments.first, option.hasPrefix("--") {
            arguments.removeFirst()
            options[option] = option == "--smoke" || arguments.isEmpty ? "" : arguments.removeFirst()
        }
        let binaries = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
        let programs = Programs(
            built: options["--programs"] ?? binaries, swift: binaries,
            sources: options["--sources"] ?? "Benchmarks/contestants", python: options["--python"] ?? "python3")
        let results = run(options, programs)
        progress("")
        print(results.text, terminator: "")
        if let file = options["--json"] {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            try encoder.encode(results).write(to: URL(fileURLWithPath: file))
        }
        if let folder = options["--charts"] { try draw(results, in: URL(fileURLWithPath: folder)) }
        if let file = options["--write-baseline"], let counts = results.counts { try Baseline(counts).write(to: file) }
        var failures = options["--smoke"] != nil ? failures(results) : []
        if let file = options["--baseline"], let counts = results.counts {
            failures += try Baseline(file).exceeded(by: counts)
        }
        for failure in failures { print("FAIL \(failure)") }
        if !failures.isEmpty { exit(1) }
    }

    private static func run(_ options: [String: String], _ programs: Programs) -> Results {
        let smoke = options["--smoke"] != nil
        let parts = options["--parts"]?.split(separator: ",").map(String.init)
        let only = options["--only"]?.split(separator: ",").map(String.init)
        let contestants = Contestant.all.filter {
            only?.contains($0.name) ?? (!smoke || $0.group == .baseline || $0.group == .signalBridge)
        }
        func wanted(_ part: String) -> Bool { parts?.contains(part) ?? true }

        var results = Results()
        if wanted("latency") {
            bench_one_core(1)
            results.pingPong = PingPong(
                contestants, programs, rounds: smoke ? 1 : 15, pings: smoke ? 50 : 1000, pause: 50)
            bench_one_core(0)
        }
        if wanted("saturated") {
            let pool = contestants.filter {
                ["observer", "events", "loop-handler", "dispatch-signal", "unix-signals"].contains($0.name)
            }
            results.saturated = PingPong(
                pool, programs, rounds: smoke ? 1 : 5, pings: smoke ? 10 : 200, pause: 3000,
                mode: "saturated")
        }
        if wanted("storm") {
            results.storm = Storm(contestants, programs, values: smoke ? 2000 : 1_000_000, rounds: smoke ? 1 : 3)
        }
        if wanted("footprint") {
            results.footprint = Footprint(
                (only == nil ? Contestant.onlyIdle : []) + contestants, programs, starts: smoke ? 1 : 9,
                settleSeconds: smoke ? 2 : 7, idleSeconds: smoke ? 0.5 : 10)
        }
        if wanted("counts") {
            results.counts = Counts(
                contestants.filter { !smoke || $0.group == .signalBridge }, programs, pings: 60)
        }
        if wanted("growth") {
            bench_one_core(1)
            defer { bench_one_core(0) }
            results.growth = Growth(
                programs, rounds: smoke ? 1 : 3, pings: smoke ? 10 : 1000, most: smoke ? 100 : 10_000,
                counted: !smoke)
        }
        if wanted("size") { results.librarySize = librarySize(programs.swift) }
        return results
    }

    /// Of the objects as they were built, without what the linker leaves out.
    private static func librarySize(_ folder: String) -> [String: Int] {
        var sizes: [String: Int] = [:]
        for library in ["CSignalShim", "SignalBridge"] {
            let objects = "\(folder)/\(library).build"
            let names = (try? FileManager.default.contentsOfDirectory(atPath: objects)) ?? []
            let lines = Results.Machine.output(
                ["/usr/bin/size"] + names.filter { $0.hasSuffix(".o") }.map { "\(objects)/\($0)" }
            ).split(separator: "\n").dropFirst()
            let total = lines.compactMap { $0.split(whereSeparator: \.isWhitespace).dropFirst(0).prefix(2) }
                .reduce(0) { $0 + $1.compactMap { Int($0) }.reduce(0, +) }
            if total > 0 { sizes[library] = total }
        }
        return sizes
    }

    private static func draw(_ results: Results, in folder: URL) throws {
        func write(_ name: String, _ chart: String) throws {
            try chart.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
        }
        if let pingPong = results.pingPong {
            let bars = pingPong.rows.map { ($0.name, $0.group, $0.p50.sorted()[$0.p50.count / 2]) }
            try write(
                "latency.svg",
                barChart("From kill to the answer, one core, median", unit: "µs", bars.sorted { $0.2 < $1.2 }))
        }
        if let storm = results.storm, let first = storm.rows.first {
            let bars = storm.rows.map { ($0.name, $0.group, 100 * Double($0.lost) / Double($0.sent)) }
            let sent = first.sent.formatted(.number.locale(Locale(identifier: "en_US")))
            try write(
                "storm.svg",
                barChart("Deliveries lost of \(sent) queued signals", unit: "%", bars.sorted { $0.2 < $1.2 }))
        }
    }

    /// A smoke run says nothing of speed: only that the harness and our own contestants work.
    private static func failures(_ results: Results) -> [String] {
        var failures: [String] = []
        for contestant in Contestant.all where contestant.group == .signalBridge || contestant.group == .baseline {
            if results.pingPong?[contestant.name] == nil { failures.append("ping-pong, \(contestant.name)") }
            guard contestant.name != "selfpipe" && contestant.name != "threads" else { continue }
            if let row = results.storm?[contestant.name] {
                if row.lost != 0 || row.duplicates != 0 || row.disorder != 0 {
                    failures.append("storm, \(contestant.name): \(row)")
                }
            } else {
                failures.append("storm, \(contestant.name)")
            }
        }
        for row in results.footprint?.rows ?? [] where row.group == .signalBridge {
            // Two of Dispatch's seconds may fall into the short window.
            let others = (results.footprint?["nothing-async"]?.idleCalls ?? 0) + 8
            if let calls = row.idleCalls, calls > (Footprint.runTasks.contains(row.name) ? others : 0) {
                failures.append("idle, \(row.name): \(calls) system calls")
            }
        }
        if results.growth?.lines.count != Growth.measured { failures.append("growth") }
        return failures
    }
}
