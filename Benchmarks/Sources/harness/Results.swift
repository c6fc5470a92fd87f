import Foundation

/// All that one run found, as it is printed and as it is written for machines.
struct Results: Encodable {
    private let start = Clock.now
    var machine = Machine()
    var pingPong: PingPong?
    var saturated: PingPong?
    var storm: Storm?
    var footprint: Footprint?
    var counts: Counts?
    var growth: Growth?
    var librarySize: [String: Int] = [:]

    struct Machine: Codable {
        var date = ISO8601DateFormatter().string(from: Date())
        var kernel = Self.output(["/bin/uname", "-srm"])
        var processor = Self.processor
        var cores = ProcessInfo.processInfo.activeProcessorCount

        private static var processor: String {
            let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
            let line = text.split(separator: "\n").first { $0.hasPrefix("model name") } ?? ""
            return line.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
        }

        static func output(_ command: [String]) -> String {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: command[0])
            process.arguments = Array(command.dropFirst())
            let pipe = Pipe()
            process.standardOutput = pipe
            process.standardError = FileHandle.nullDevice
            guard (try? process.run()) != nil else { return "" }
            let data = pipe.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }

    private enum Keys: String, CodingKey {
        case machine, pingPong, saturated, storm, footprint, counts, growth, librarySize, targets,
            skipped
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode(machine, forKey: .machine)
        try container.encodeIfPresent(pingPong?.rows, forKey: .pingPong)
        try container.encodeIfPresent(saturated?.rows, forKey: .saturated)
        try container.encodeIfPresent(storm?.rows, forKey: .storm)
        try container.encodeIfPresent(footprint?.rows, forKey: .footprint)
        try container.encodeIfPresent(counts?.rows, forKey: .counts)
        try container.encodeIfPresent(growth?.lines, forKey: .growth)
        try container.encode(librarySize, forKey: .librarySize)
        try container.encode(Target.all(self), forKey: .targets)
        try container.encode(skipped, forKey: .skipped)
    }

    /// Contestants that were left out of a part or had to begin again, and why.
    var skipped: [String: String] {
        var all: [String: String] = [:]
        let parts = [
            ("ping-pong", pingPong?.skipped), ("saturated", saturated?.skipped), ("storm", storm?.skipped),
            ("footprint", footprint?.skipped), ("counts", counts?.skipped), ("growth", growth?.skipped),
        ]
        for (part, skipped) in parts {
            for (name, reason) in skipped ?? [:] { all["\(part), \(name)"] = reason }
        }
        for (name, count) in pingPong?.repeated ?? [:] where pingPong?.skipped[name] == nil {
            all["ping-pong, \(name)"] = "lost a signal; round begun again \(count) times"
        }
        return all
    }

    var text: String {
        let minutes = fixed((Clock.now - start) / 60, 1)
        var parts = [
            "\(machine.processor), \(machine.cores) cores, \(machine.kernel), \(machine.date), in \(minutes) minutes"
        ]
        if let pingPong { parts.append(latencyTable(pingPong, counts)) }
        if let saturated {
            parts.append("Every thread of Swift's cooperative pool at work (microseconds)\n" + shortTable(saturated))
        }
        if let storm { parts.append(stormTable(storm)) }
        if let footprint { parts.append(footprintTable(footprint)) }
        if let counts { parts.append(countsTable(counts, all: pingPong == nil)) }
        if let growth { parts.append(growthTable(growth)) }
        if !librarySize.isEmpty {
            let sizes = librarySize.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value / 1024) KiB" }
            parts.append("Code and data of the library: " + sizes.joined(separator: ", "))
        }
        let targets = Target.all(self)
        if !targets.isEmpty { parts.append(targetsTable(targets)) }
        if !skipped.isEmpty {
            parts.append(
                "Left out, or begun again\n"
                    + skipped.sorted { $0.key < $1.key }.map { "  \($0.key): \($0.value)" }
                    .joined(separator: "\n"))
        }
        return parts.joined(separator: "\n\n") + "\n"
    }
}

func progress(_ message: String) {
    FileHandle.standardError.write(Data("\r\u{1B}[K\(message)".utf8))
}

func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
