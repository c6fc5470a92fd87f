/// How the time for one signal grows with the signals, bridges and subscribers that there are.
struct Growth {
    struct Line: Codable {
        let what: String
        let counts: [Int]
        /// Medians over the rounds of p50, in microseconds, one for each count.
        let p50: [Double]
        /// For each one more, from 1 to the largest count that is not above 100.
        var systemCalls: Double?
        var instructions: Int?

        /// Nanoseconds for each one more, from the first count to the last.
        var slope: Double { (p50[p50.count - 1] - p50[0]) * 1000 / Double(counts[counts.count - 1] - counts[0]) }
    }

    /// The library's growth, each line followed by that of the least code that does the same by hand.
    private(set) var lines: [Line] = []
    static let measured = 5
    private(set) var skipped: [String: String] = [:]
    /// Of each line, without its last argument, the count.
    private var commands: [[String]] = []
    /// Microseconds before each signal, in which the contestant goes back to sleep.
    private static let pause: UInt32 = 100

    /// - Parameter counted: whether strace and callgrind count, too.
    init(_ programs: Programs, rounds: Int, pings: Int, most: Int, counted: Bool) {
        let growth = "\(programs.built)/growth", ours = "\(programs.swift)/ours"
        let bridges = [1, 2, 4, 16, 64], subscribers = [1, 10, 100, 1000, 10_000].filter { $0 <= most }
        add("signals", [1, 2, 15, 30, 60], [growth, "signals", "pingpong"], rounds, pings)
        add("bridges", bridges, [growth, "bridges", "pingpong"], rounds, pings)
        add("pipes by hand", bridges, [growth, "pipes", "pingpong"], rounds, pings)
        add("subscribers", subscribers, [ours, "events", "pingpong"], rounds, pings)
        add("AsyncStreams", subscribers, [ours, "streams", "pingpong"], rounds, pings)
        guard counted else { return }
        let counter = Counter()
        defer { counter.removeFiles() }
        // Not the signals, whose time does not grow: under callgrind, that contestant does not end.
        for (index, command) in commands.enumerated() where lines[index].what != "signals" {
            let most = lines[index].counts.last { $0 <= 100 }!
            func count(_ number: Int) throws(Skipped) -> (systemCalls: Double, instructions: Int) {
                let command = command + ["\(number)"]
                return (
                    try counter.systemCalls(command, pings: 50),
                    try counter.instructions(command, pings: 20, strip: true).whole
                )
            }
            do throws(Skipped) {
                let one = try count(1), many = try count(most)
                lines[index].systemCalls = (many.systemCalls - one.systemCalls) / Double(most - 1)
                lines[index].instructions = (many.instructions - one.instructions) / (most - 1)
            } catch {
                skipped["counts, \(lines[index].what)"] = error.description
            }
            progress("growth, counts: \(lines[index].what)")
        }
    }

    subscript(what: String) -> Line? { lines.first { $0.what == what } }

    private mutating func add(_ what: String, _ counts: [Int], _ command: [String], _ rounds: Int, _ pings: Int) {
        var times = counts.map { _ in [Double]() }
        do throws(Skipped) {
            for _ in 0..<rounds {
                for (index, count) in counts.enumerated() {
                    let running = try Running(command + ["\(count)"])
                    let pings = max(10, min(pings, 200_000 / count))
                    let sorted = try running.ping(pings, warmUp: max(3, pings / 5), pause: Self.pause)
                    times[index].append(Double(sorted[sorted.count / 2]) / 1000)
                    running.end()
                }
                progress("growth: \(what)")
            }
            lines.append(Line(what: what, counts: counts, p50: times.map { $0.sorted()[$0.count / 2] }))
            commands.append(command)
        } catch {
            skipped[what] = error.description
        }
    }
}
