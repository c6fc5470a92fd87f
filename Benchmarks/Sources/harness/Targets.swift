/// What the library is to reach, as ratios within one run, so that a machine's speed is no part of it.
struct Target: Codable {
    let path: String
    let asked: String
    let seen: String
    let met: Bool
    /// The same ratio where the processes have all cores.
    var allCores: String?

    static func all(_ results: Results) -> [Target] {
        var targets: [Target] = []
        for (name, other, limit) in latency {
            guard let ratio = results.pingPong?.ratio(of: name, to: other) else { continue }
            targets.append(
                Target(
                    path: name, asked: "at most \(fixed(limit, 2)) x \(other)", seen: ratio.text,
                    met: ratio.median <= limit, allCores: results.allCores?.ratio(of: name, to: other)?.text))
        }
        if let storm = results.storm {
            for name in ["c-handler", "c-signalfd"] {
                guard let row = storm[name] else { continue }
                targets.append(
                    Target(path: "storm, \(name)", asked: "0 lost", seen: "\(row.lost) lost", met: row.lost == 0))
            }
            for other in ["go", "libuv"] {
                guard let ratio = storm.ratio(of: "c-handler", to: other) else { continue }
                targets.append(
                    Target(
                        path: "storm, c-handler", asked: "takes as many a second as \(other)",
                        seen: fixed(ratio.median, 2), met: ratio.median >= 1))
            }
            if let ratio = storm.ratio(of: "c-signalfd", to: "signalfd") {
                targets.append(
                    Target(
                        path: "storm, c-signalfd", asked: "at least 0.80 x signalfd's rate", seen: ratio.text,
                        met: ratio.median >= 0.8))
            }
        }
        if let footprint = results.footprint {
            for row in footprint.rows where row.group == .ours {
                guard let calls = row.idleCalls else { continue }
                // Once a task has run, Dispatch looks after the pool every second, whoever is waiting for what.
                let others = row.name == "events" ? footprint["nothing-async"]?.idleCalls ?? 0 : 0
                targets.append(
                    Target(
                        path: "idle, \(row.name)",
                        asked: others > 0 ? "0 system calls but Dispatch's \(others)" : "0 system calls",
                        seen: "\(calls)", met: calls <= others))
            }
        }
        if let signals = results.growth?.lines.first(where: { $0.what == "signals" }) {
            let ratio = signals.p50[signals.p50.count - 1] / signals.p50[0]
            targets.append(
                Target(
                    path: "growth", asked: "flat in signals (\(signals.counts.last!) to 1: at most 1.10)",
                    seen: fixed(ratio, 2), met: ratio <= 1.1))
        }
        return targets
    }

    private static let latency: [(String, String, Double)] = [
        ("c-handler", "selfpipe", 1.10), ("c-handler", "libuv", 1), ("c-handler", "libevent", 1),
        ("c-signalfd", "signalfd", 1.10), ("c-signalfd", "sdevent", 1),
        ("waiter", "signal-hook", 1),
        ("loop-handler", "tokio-current", 1), ("loop-signalfd", "tokio-current", 1),
        ("loop-handler", "unix-signals", 0.3), ("loop-signalfd", "unix-signals", 0.3),
        ("events", "unix-signals", 0.7), ("events", "go", 1), ("events", "asyncio", 1), ("events", "anyio", 1),
        ("events", "trio", 1),
        ("subscription", "dispatch-signal", 1.1),
    ]
}
