/// How the time for one signal grows with the signals, bridges and subscribers that there are.
struct Growth {
    struct Line: Codable {
        let what: String
        let counts: [Int]
        /// Medians over the rounds of p50, in microseconds, one for each count.
        let p50: [Double]

        /// Nanoseconds for each one more, from the first count to the last.
        var slope: Double { (p50[p50.count - 1] - p50[0]) * 1000 / Double(counts[counts.count - 1] - counts[0]) }
    }

    /// The library's growth, each line followed by that of the least code that does the same by hand.
    private(set) var lines: [Line] = []
    static let measured = 5
    private(set) var skipped: [String: String] = [:]

    init(_ programs: Programs, rounds: Int, pings: Int, most: Int) {
        add("signals", [1, 2, 15, 30, 60], ["\(programs.built)/growth", "signals", "pingpong"], rounds, pings)
        let bridges = [1, 2, 4, 16, 64], subscribers = [1, 10, 100, 1000, 10_000].filter { $0 <= most }
        add("bridges", bridges, ["\(programs.built)/growth", "bridges", "pingpong"], rounds, pings)
        add("pipes by hand", bridges, ["\(programs.built)/growth", "pipes", "pingpong"], rounds, pings)
        add("subscribers", subscribers, ["\(programs.swift)/ours", "events", "pingpong"], rounds, pings)
        add("AsyncStreams", subscribers, ["\(programs.swift)/ours", "streams", "pingpong"], rounds, pings)
    }

    subscript(what: String) -> Line? { lines.first { $0.what == what } }

    private mutating func add(_ what: String, _ counts: [Int], _ command: [String], _ rounds: Int, _ pings: Int) {
        var times = counts.map { _ in [Double]() }
        do throws(Skipped) {
            for _ in 0..<rounds {
                for (index, count) in counts.enumerated() {
                    let running = try Running(command + ["\(count)"])
                    let pings = max(10, min(pings, 200_000 / count))
                    let sorted = try running.ping(pings, warmUp: max(3, pings / 5))
                    times[index].append(Double(sorted[sorted.count / 2]) / 1000)
                    running.end()
                }
                progress("growth: \(what)")
            }
            lines.append(Line(what: what, counts: counts, p50: times.map { $0.sorted()[$0.count / 2] }))
        } catch {
            skipped[what] = error.description
        }
    }
}
