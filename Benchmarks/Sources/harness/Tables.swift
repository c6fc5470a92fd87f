/// Columns as wide as they need be; the first one to the left, the others to the right.
func table(_ heading: [String], _ rows: [[String]], leftColumns: Int = 1) -> String {
    let widths = heading.indices.map { column in ([heading] + rows).map { $0[column].count }.max()! }
    return ([heading] + rows).map { row in
        var line = "  "
        for (column, cell) in row.enumerated() {
            let padding = String(repeating: " ", count: widths[column] - cell.count)
            line += (column < leftColumns ? cell + padding : padding + cell) + "  "
        }
        while line.last == " " { line.removeLast() }
        return line
    }.joined(separator: "\n")
}

extension Spread {
    /// "1.04 (1.01-1.09)"
    var text: String { "\(fixed(median, 2)) (\(fixed(low, 2))-\(fixed(high, 2)))" }
}

private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

func latencyTable(_ results: PingPong, _ counts: Counts?) -> String {
    let rows = results.rows.sorted { median($0.p50) < median($1.p50) }.map { row -> [String] in
        let ratio = results.ratio(of: row.name, to: "sigwaitinfo")?.text ?? ""
        var toPeer = ""
        if let peer = Contestant.named(row.name).peer, let ratio = results.ratio(of: row.name, to: peer) {
            toPeer = "\(ratio.text) \(peer)"
        }
        let times = [fixed(median(row.p50), 1), fixed(median(row.p99), 1)]
        return [row.name, row.group.rawValue] + times + [ratio, toPeer] + countCells(counts?[row.name])
    }
    return
        "kill -> one byte back, one core: medians of \(results.rows.first?.p50.count ?? 0) rounds (p50, p99: microseconds; "
        + "ratios with their quartiles; system calls and instructions in user space)\n"
        + table(["", "", "p50", "p99", "x sigwaitinfo", "x peer", "calls", "instructions"], rows, leftColumns: 2)
}

func shortTable(_ results: PingPong) -> String {
    table(
        ["", "p50", "p99"],
        results.rows.sorted { median($0.p50) < median($1.p50) }
            .map { [$0.name, fixed(median($0.p50), 1), fixed(median($0.p99), 1)] })
}

func stormTable(_ storm: Storm) -> String {
    func number(_ value: Int?) -> String { value.map { "\($0)" } ?? "-" }
    let sorted = storm.rows.sorted { $0.lost == $1.lost ? $0.rate > $1.rate : $0.lost < $1.lost }
    let rows: [[String]] = sorted.map { row in
        let rate = "\(Int(row.rate / 1000))", peak = fixed(Double(row.peakKiB) / 1024, 1)
        return [row.name, row.group.rawValue, "\(row.lost)"]
            + [number(row.merged), number(row.disorder), number(row.duplicates), rate, fixed(row.cpuSeconds, 2), peak]
    }
    return "Storm: \(storm.rows.first?.sent ?? 0) queued values from \(Storm.senders) processes "
        + "(rate: thousands a second taken; peak: MiB; "
        + "three storms of who loses nothing, the median)\n"
        + table(
            ["", "", "lost", "no value", "disorder", "twice", "rate", "CPU s", "peak"], rows, leftColumns: 2)
}

func footprintTable(_ footprint: Footprint) -> String {
    let rows = footprint.rows.map { row in
        [
            row.name, row.group.rawValue, fixed(row.millisecondsToReady, 1), row.callsToReady.map { "\($0)" } ?? "-",
            "\(row.residentKiB)", "\(row.descriptors)", "\(row.threads)", row.idleCalls.map { "\($0)" } ?? "-",
        ]
    }
    return
        "Before any signal comes (ms, calls: time and system calls from the start until armed, those of the runtime in them; "
        + "idle: system calls in \(fixed(footprint.idleSeconds, 0)) s)\n"
        + table(["", "", "ms", "calls", "KiB", "fds", "threads", "idle"], rows, leftColumns: 2)
}

private func countCells(_ row: Counts.Row?) -> [String] {
    [row?.systemCalls.map { fixed($0, 1) } ?? "-", row?.instructions.map { "\($0)" } ?? "-"]
}

/// Of all contestants, or of those with Swift's runtime or a handler whose name is known.
func countsTable(_ counts: Counts, all: Bool) -> String {
    "For each signal: system calls (strace), instructions in user space (callgrind), and where these are\n"
        + table(
            ["", "", "calls", "instructions", "Swift", "Dispatch", "libc", "program", "in the handler"],
            counts.rows.filter { all || $0.group == .swift || $0.group == .signalBridge || $0.inHandler != nil }.map {
                row in
                let places = Counter.Place.allCases.map { place in row.places[place].map { "\($0)" } ?? "-" }
                return [row.name, row.group.rawValue] + countCells(row) + places + [row.inHandler.map { "\($0)" } ?? ""]
            }, leftColumns: 2)
}

func growthTable(_ growth: Growth) -> String {
    growth.lines.map { line in
        let counted = line.systemCalls.map { ", \(fixed($0, 1)) system calls" } ?? ""
        let instructions = line.instructions.map { ", \($0) instructions" } ?? ""
        return "Growth with \(line.what): \(fixed(line.slope, 0)) ns\(counted)\(instructions) for each one more\n"
            + table([line.what] + line.counts.map { "\($0)" }, [["p50, us"] + line.p50.map { fixed($0, 1) }])
    }.joined(separator: "\n")
}

func targetsTable(_ targets: [Target]) -> String {
    "Targets\n"
        + table(
            ["", "asked", "seen", ""],
            targets.map { [$0.path, $0.asked, $0.seen, $0.met ? "met" : "MISSED"] }, leftColumns: 4)
}
