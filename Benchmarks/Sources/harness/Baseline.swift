import Foundation

/// The counts that this library had when they were last written, and what may not grow.
struct Baseline {
    private struct Row {
        let name: String
        let systemCalls: Double
        let instructions: Int

        var mostCalls: Double { systemCalls + 0.3 }
        var mostInstructions: Int { Int(Double(instructions) * 1.05) }
    }

    private let compiler: String
    private let rows: [Row]

    init(_ counts: Counts) {
        compiler = Self.currentCompiler
        rows = counts.rows.compactMap { row in
            guard row.group == .signalBridge, let calls = row.systemCalls else { return nil }
            return Row(name: row.name, systemCalls: calls, instructions: row.instructions ?? 0)
        }
    }

    /// Lines "NAME SYSTEM-CALLS INSTRUCTIONS"; comments, the first of which names the compilers.
    init(_ file: String) throws {
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        compiler = lines.first.map { String($0.drop { $0 == "#" || $0 == " " }) } ?? ""
        rows = lines.filter { !$0.hasPrefix("#") }.compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 3, let calls = Double(words[1]), let instructions = Int(words[2]) else { return nil }
            return Row(name: String(words[0]), systemCalls: calls, instructions: instructions)
        }
    }

    func write(to file: String) throws {
        let text =
            "# \(compiler)\n# System calls and instructions for each signal: `make bench-baseline` writes them.\n"
            + rows.map { "\($0.name) \(fixed($0.systemCalls, 1)) \($0.instructions)\n" }.joined()
        try text.write(toFile: file, atomically: true, encoding: .utf8)
    }

    /// What has grown. Instructions are compared only if the same compilers made them.
    func exceeded(by counts: Counts) -> [String] {
        rows.flatMap { row -> [String] in
            guard let now = counts[row.name] else { return [] }  // it was not asked for
            guard let calls = now.systemCalls else { return ["\(row.name): its system calls were not counted"] }
            var found: [String] = []
            if row.instructions > 0, now.instructions == nil {
                found.append("\(row.name): its instructions were not counted")
            }
            if calls > row.mostCalls {
                found.append("\(row.name): \(calls) system calls for each signal, \(row.systemCalls) before")
            }
            if let instructions = now.instructions, row.instructions > 0, instructions > row.mostInstructions,
                compiler == Self.currentCompiler
            {
                found.append("\(row.name): \(instructions) instructions for each signal, \(row.instructions) before")
            }
            return found
        }
    }

    private static var currentCompiler: String {
        [["/usr/bin/env", "cc", "--version"], ["/usr/bin/env", "swift", "--version"]]
            .map { Results.Machine.output($0).split(separator: "\n").first.map(String.init) ?? "" }
            .joined(separator: "; ")
    }
}
