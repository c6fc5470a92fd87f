/// What the library is to reach: counts, and ratios within one run, so that a machine's speed is no part of it. Only growth is
/// asked in nanoseconds. `make footprint` and `make budgets` compare sizes and build times with their targets.
struct Target: Codable {
    let path: String
    let asked: String
    let seen: String
    let met: Bool

    static func all(_ results: Results) -> [Target] {
        var targets: [Target] = []
        for (name, other, limit) in latency {
            guard let ratio = results.pingPong?.ratio(of: name, to: other) else { continue }
            targets.append(
                Target(
                    path: name, asked: "at most \(fixed(limit, 2)) x \(other)", seen: ratio.text,
                    met: ratio.median <= limit))
        }
        for (name, limit) in [("c-handler", 8.0), ("c-signalfd", 5)] {
            guard let calls = results.counts?[name]?.systemCalls else { continue }
            targets.append(
                Target(
                    path: name, asked: "at most \(fixed(limit, 0)) system calls for each signal",
                    seen: fixed(calls, 1), met: calls <= limit))
        }
        for name in ["c-handler", "c-signalfd"] {
            guard let row = results.storm?[name] else { continue }
            targets.append(
                Target(path: "storm, \(name)", asked: "0 lost", seen: "\(row.lost) lost", met: row.lost == 0))
        }
        if let ratio = results.storm?.ratio(of: "c-signalfd", to: "signalfd") {
            targets.append(
                Target(
                    path: "storm, c-signalfd", asked: "at least 0.80 x signalfd's rate", seen: ratio.text,
                    met: ratio.median >= 0.8))
        }
        if let footprint = results.footprint {
            let ours = footprint.rows.filter { $0.group == .signalBridge && $0.idleCalls != nil }
            for row in ours where Footprint.runTasks.contains(row.name) {
                let calls = row.idleCalls!, others = footprint["nothing-async"]?.idleCalls ?? 0
                // The window may have one of Dispatch's seconds more than that of the program that is compared.
                targets.append(
                    Target(
                        path: "idle, \(row.name)", asked: "0 system calls except Dispatch's \(others)",
                        seen: "\(calls)",
                        met: calls <= others + others / max(1, Int(footprint.idleSeconds))))
            }
            let most = ours.filter { !Footprint.runTasks.contains($0.name) }.compactMap(\.idleCalls).max()
            if let most {
                targets.append(
                    Target(path: "idle, all others", asked: "0 system calls", seen: "\(most)", met: most == 0))
            }
        }
        if let signals = results.growth?["signals"] {
            let ratio = signals.p50[signals.p50.count - 1] / signals.p50[0]
            targets.append(
                Target(
                    path: "growth in signals", asked: "flat: \(signals.counts.last!) at most 1.10 x 1",
                    seen: fixed(ratio, 2), met: ratio <= 1.1))
        }
        for (what, limit, byHand) in [("bridges", 1061.0, "pipes by hand"), ("subscribers", 1258, "AsyncStreams")] {
            guard let line = results.growth?[what], let least = results.growth?[byHand] else { continue }
            targets.append(
                Target(
                    path: "growth in \(what)", asked: "at most \(fixed(limit, 0)) ns each",
                    seen: "\(fixed(line.slope, 0)) (\(byHand): \(fixed(least.slope, 0)))", met: line.slope <= limit))
        }
        return targets
    }

    private static let latency: [(String, String, Double)] = [
        ("c-handler", "libuv", 1.05), ("c-signalfd", "sdevent", 1), ("waiter", "signal-hook", 1),
        ("loop-handler", "tokio-current", 0.9), ("loop-signalfd", "tokio-current", 0.9), ("events", "threads", 1.15),
        ("observer", "dispatch-signal", 1.2),
    ]
}
