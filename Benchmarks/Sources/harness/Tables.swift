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

func latencyTable(_ results: PingPong, _ cores: String) -> String {
    let rows = results.rows.sorted { median($0.p50) < median($1.p50) }.map { row in
        let peer = Contestant.named(row.name).peer
        return [
            row.name, row.group.rawValue, fixed(median(row.p50), 1), fixed(median(row.p99), 1),
            results.ratio(of: row.name, to: "sigwaitinfo")?.text ?? "",
            peer.flatMap { peer in results.ratio(of: row.name, to: peer).map { "\($0.text) \(peer)" } } ?? "",
            fixed(median(row.ready), 1),
        ]
    }
    return
        "kill -> one byte back, \(cores): medians of \(results.rows.first?.p50.count ?? 0) rounds (p50, p99: microseconds; "
        + "ratios with their quartiles; ready: ms from the start)\n"
        + table(["", "", "p50", "p99", "x sigwaitinfo", "x peer", "ready"], rows, leftColumns: 2)
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
        + "five storms of who loses nothing, the median)\n"
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

func countsTable(_ counts: Counts) -> String {
    "For each signal, until the program sleeps again: system calls (strace), instructions in user space (callgrind)\n"
        + table(
            ["", "", "calls", "instructions", "in the handler"],
            counts.rows.map { row in
                [
                    row.name, row.group.rawValue, row.systemCalls.map { fixed($0, 1) } ?? "-",
                    row.instructions.map { "\($0)" } ?? "-", row.inHandler.map { "\($0)" } ?? "",
                ]
            }, leftColumns: 2)
}

func growthTable(_ growth: Growth) -> String {
    growth.lines.map { line in
        "Growth with \(line.what): \(fixed(line.slope, 0)) ns for each one more\n"
            + table([line.what] + line.counts.map { "\($0)" }, [["p50, us"] + line.p50.map { fixed($0, 1) }])
    }.joined(separator: "\n")
}

func targetsTable(_ targets: [Target]) -> String {
    "Targets\n"
        + table(
            ["", "asked", "seen", ""],
            targets.map { [$0.path, $0.asked, $0.seen, $0.met ? "met" : "MISSED"] }, leftColumns: 4)
}
