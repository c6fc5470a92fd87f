/// kill → one byte back. The contestants take turns, each with a process of its own in each round, so that what the
/// machine does meanwhile hits all of them, and a ratio within a round holds.
struct PingPong {
    struct Row: Codable {
        let name: String
        let group: Contestant.Group
        /// Of each round, in microseconds.
        var p50: [Double] = []
        var p99: [Double] = []
        /// From the start of the process until it was ready, in milliseconds.
        var ready: [Double] = []
    }

    private(set) var rows: [Row] = []
    private(set) var skipped: [String: String] = [:]
    /// How often a contestant lost a signal, and its round began anew.
    private(set) var repeated: [String: Int] = [:]
    private var failures: [String: String] = [:]
    /// uvloop loses a signal that comes just after it said that it is ready.
    private static let tries = 3

    /// - Parameter pause: microseconds before each signal, so that the contestant sleeps when it comes.
    init(
        _ contestants: [Contestant], _ programs: Programs, rounds: Int, pings: Int, pause: UInt32,
        mode: String = "pingpong"
    ) {
        rows = contestants.map { Row(name: $0.name, group: $0.group) }
        for round in 0..<rounds {
            for turn in contestants.indices {
                let index = (turn + round * 5) % contestants.count
                let contestant = contestants[index]
                for _ in 0..<Self.tries where rows[index].p50.count == round && skipped[contestant.name] == nil {
                    run(contestant, index, programs, pings: pings, pause: pause, mode: mode)
                }
                if rows[index].p50.count == round, skipped[contestant.name] == nil {
                    skipped[contestant.name] = failures[contestant.name] ?? "gave nothing"
                }
            }
            progress("round \(round + 1) of \(rounds)")
        }
        rows.removeAll { skipped[$0.name] != nil }
    }

    private mutating func run(
        _ contestant: Contestant, _ index: Int, _ programs: Programs, pings: Int, pause: UInt32, mode: String
    ) {
        do throws(Skipped) {
            guard let command = programs.command(contestant, mode) else { throw .because("is not installed") }
            let running = try Running(command)
            let times = try running.ping(pings, warmUp: pings / 5, pause: pause)
            rows[index].p50.append(Double(times[times.count / 2]) / 1000)
            rows[index].p99.append(Double(times[times.count * 99 / 100]) / 1000)
            rows[index].ready.append(running.secondsToReady * 1000)
            running.end()
        } catch {
            failures[contestant.name] = error.description
            repeated[contestant.name, default: 0] += 1
        }
    }

    subscript(name: String) -> Row? { rows.first { $0.name == name } }

    /// The ratio of two medians in each round.
    func ratio(of name: String, to other: String) -> Spread? {
        guard let mine = self[name]?.p50, let theirs = self[other]?.p50 else { return nil }
        return Spread(zip(mine, theirs).map { $0 / $1 })
    }
}

/// A median, and the quartiles around it.
struct Spread: Codable {
    let median, low, high: Double

    init?(_ values: some Sequence<Double>) {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return nil }
        median = sorted[sorted.count / 2]
        low = sorted[sorted.count / 4]
        high = sorted[(sorted.count * 3) / 4]
    }
}
