import CBench
import Foundation
import Glibc

/// A million queued realtime values from four processes, as fast as they can.
struct Storm {
    struct Row: Codable {
        let name: String
        let group: Contestant.Group
        let sent, received: Int
        /// Deliveries that were told as a count, without their value. `nil`: the API knows no values.
        let merged, disorder, duplicates: Int?
        /// From the first send until the contestant had nothing more to do.
        let seconds: Double
        let cpuSeconds: Double
        let peakKiB: Int

        var lost: Int { sent - received }
        var rate: Double { Double(received) / seconds }
    }

    static let senders = 4
    static let signal: Int32 = 40

    /// One storm of each contestant, and of those that lost nothing one in every further round: whose turn it is on few
    /// cores decides much of a rate. What lost something once is out, and shows that storm.
    private var rounds: [String: [Row]] = [:]
    private(set) var skipped: [String: String] = [:]
    private let names: [String]

    init(_ contestants: [Contestant], _ programs: Programs, values: Int, rounds: Int) {
        names = contestants.map(\.name)
        for round in 0..<rounds {
            for contestant in contestants where round == 0 || self[contestant.name]?.lost == 0 {
                do throws(Skipped) {
                    guard let command = programs.command(contestant, "storm") else {
                        throw .because("is not installed")
                    }
                    self.rounds[contestant.name, default: []].append(
                        try Self.run(contestant, command, values: values))
                } catch {
                    self.rounds[contestant.name] = nil
                    skipped[contestant.name] = error.description
                }
                progress("storm \(round + 1): \(contestant.name)")
            }
        }
    }

    /// The storm that lost the most, and among equals the one with the median rate.
    subscript(name: String) -> Row? {
        guard let all = rounds[name], let lost = all.map(\.lost).max() else { return nil }
        let worst = all.filter { $0.lost == lost }.sorted { $0.rate < $1.rate }
        return worst[worst.count / 2]
    }
    var rows: [Row] { names.compactMap { self[$0] } }

    /// Of the rates in the rounds that both had.
    func ratio(of name: String, to other: String) -> Spread? {
        guard let mine = rounds[name], let theirs = rounds[other] else { return nil }
        return Spread(zip(mine, theirs).map { $0.rate / $1.rate })
    }

    private static func run(
        _ contestant: Contestant, _ command: [String], values: Int
    ) throws(Skipped) -> Row {
        let running = try Running(command)
        let harness = URL(fileURLWithPath: CommandLine.arguments[0]).path
        let each = values / senders
        var senders: [Running] = []
        for number in 0..<Self.senders {
            senders.append(
                try Running([harness, "sender", "\(running.process)", "\(signal)", "\(number)", "\(each)"]))
        }
        let start = Clock.now
        for sender in senders { kill(sender.process, SIGCONT) }
        for sender in senders {
            _ = sender.lastWords(patience: 120)
            sender.end()
        }
        // Until it has used no time for a while: then it has all that it will ever have.
        var last = Clock.now
        var cpu = ProcessFile(running.process).cpuSeconds
        while Clock.now - last < 0.5 && Clock.now - start < 60 {
            usleep(10_000)
            let now = ProcessFile(running.process).cpuSeconds
            if now != cpu { (cpu, last) = (now, Clock.now) }
        }
        let peak = ProcessFile(running.process).status("VmHWM")
        var words = ""
        for _ in 0..<50 where words.isEmpty {
            kill(running.process, SIGUSR2)
            words = running.lastWords(patience: 0.2)
        }
        running.end()
        let counts = parse(words)
        guard let received = counts["received"] else { throw .because("gave no account of what it received") }
        return Row(
            name: contestant.name, group: contestant.group, sent: each * Self.senders, received: received,
            merged: counts["disorder"] == nil ? nil : counts["merged"] ?? 0, disorder: counts["disorder"],
            duplicates: counts["duplicates"], seconds: last - start, cpuSeconds: cpu, peakKiB: peak)
    }

    /// "received=12 disorder=-".
    private static func parse(_ line: String) -> [String: Int] {
        var counts: [String: Int] = [:]
        for word in line.split(whereSeparator: \.isWhitespace) {
            let parts = word.split(separator: "=")
            if parts.count == 2, let number = Int(parts[1]) { counts[String(parts[0])] = number }
        }
        return counts
    }

    /// `bench sender PID SIGNAL NUMBER COUNT`
    static func send(_ arguments: [String]) -> Never {
        let numbers = arguments.map { Int($0)! }
        Glibc.signal(SIGCONT) { _ in }
        var mask = sigset_t(), none = sigset_t()
        sigemptyset(&none)
        sigemptyset(&mask)
        sigaddset(&mask, SIGCONT)
        sigprocmask(SIG_BLOCK, &mask, nil)
        bench_ready()
        sigsuspend(&none)
        exit(bench_flood(pid_t(numbers[0]), Int32(numbers[1]), UInt32(numbers[2]), UInt32(numbers[3])) < 0 ? 1 : 0)
    }
}
