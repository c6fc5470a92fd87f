import CBench
import Dispatch
import Foundation

/// A program that waits for signals, and that the harness starts: see contestants/README.md.
struct Contestant: Hashable {
    enum Group: String, Codable {
        case baseline, c = "C", rust = "Rust", go = "Go", node = "Node", python = "Python", swift = "Swift",
            signalBridge = "this"
    }

    let name: String
    let group: Group
    /// What a user would take instead of this contestant of the library.
    let peer: String?

    init(_ name: String, _ group: Group, peer: String? = nil) {
        self.name = name
        self.group = group
        self.peer = peer
    }

    static let all: [Contestant] = [
        .init("sigwaitinfo", .baseline), .init("signalfd", .baseline), .init("selfpipe", .baseline),
        .init("threads", .baseline),
        .init("libuv", .c), .init("libevent", .c), .init("sdevent", .c), .init("libev", .c), .init("glib", .c),
        .init("signal-hook", .rust), .init("tokio-current", .rust), .init("tokio-multi", .rust),
        .init("go", .go), .init("node", .node),
        .init("asyncio", .python), .init("uvloop", .python), .init("anyio", .python), .init("trio", .python),
        .init("dispatch-signal", .swift), .init("unix-signals", .swift),
        .init("c-handler", .signalBridge, peer: "libuv"), .init("c-signalfd", .signalBridge, peer: "sdevent"),
        .init("waiter", .signalBridge, peer: "signal-hook"), .init("observer", .signalBridge, peer: "dispatch-signal"),
        .init("events", .signalBridge, peer: "unix-signals"),
        .init("loop-handler", .signalBridge, peer: "tokio-current"),
        .init("loop-signalfd", .signalBridge, peer: "tokio-current"),
    ]

    /// Those that are compared only while they wait: programs that wait for nothing, and graceful shutdown.
    static let onlyIdle: [Contestant] = [
        .init("nothing", .c), .init("nothing-swift", .swift), .init("nothing-async", .swift),
        .init("service-group", .swift), .init("daemon", .signalBridge),
    ]

    static func named(_ name: String) -> Contestant { all.first { $0.name == name } ?? .init(name, .signalBridge) }
}

/// Where the contestants' programs are.
struct Programs {
    /// Of C, Go, Rust: made by contestants/build.sh.
    let built: String
    /// Of Swift: beside the harness.
    let swift: String
    /// contestants/, for what is not built.
    let sources: String
    /// The interpreter that has the Python peers.
    let python: String

    func command(_ contestant: Contestant, _ mode: String) -> [String]? {
        let name = contestant.name
        let program: [String] =
            switch contestant.group {
            case .rust: ["\(built)/rust"]
            case .node: [find("node"), "\(sources)/node/contestant.js"]
            case .python: [find(python), "\(sources)/python/contestant.py"]
            case .swift where name.hasPrefix("nothing") || name == "streams": ["\(swift)/ours"]
            case .swift: ["\(swift)/peers"]
            case .signalBridge where !name.hasPrefix("c-"): ["\(swift)/ours"]
            case .signalBridge: ["\(built)/signalbridge"]
            case .baseline, .c, .go: ["\(built)/\(name)"]
            }
        guard program.allSatisfy({ FileManager.default.fileExists(atPath: $0) }) else { return nil }
        return program + [name, mode]
    }

    private func find(_ program: String) -> String {
        if program.contains("/") { return program }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return path.split(separator: ":").map { "\($0)/\(program)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) } ?? program
    }
}

enum Skipped: Error, CustomStringConvertible {
    case because(String)

    var description: String {
        switch self {
        case .because(let reason): reason
        }
    }
}

/// A contestant that runs.
final class Running {
    let process: pid_t
    let output: Int32
    /// From the start of the process until it said that it is ready, in seconds.
    let secondsToReady: Double
    private var isOver = false

    init(_ command: [String], readyWithin seconds: Double = 20) throws(Skipped) {
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var output: Int32 = -1
        let start = Clock.now
        process = bench_start(&arguments, &output)
        if process < 0 { throw .because("cannot be started: errno \(errno)") }
        self.output = output
        let byte = bench_byte(output, Int32(seconds * 1000))
        secondsToReady = Clock.now - start
        if byte != Int32(UInt8(ascii: "R")) {
            let status = end()
            throw .because(
                status == 127 << 8
                    ? "is not there" : byte < -1 ? "ended with status \(status >> 8)" : "did not say that it is ready")
        }
    }

    deinit { end() }

    /// Nanoseconds of each ping, sorted. A contestant that loses one does not answer for 20 seconds, and is ended.
    ///
    /// - Parameter pause: microseconds before each ping, in which the contestant goes back to sleep.
    func ping(_ count: Int, warmUp: Int, pause: UInt32 = 0) throws(Skipped) -> [UInt64] {
        let watchdog = DispatchWorkItem { [process] in kill(process, SIGKILL) }
        DispatchQueue.global().asyncAfter(deadline: .now() + 20, execute: watchdog)
        defer { watchdog.cancel() }
        var times = [UInt64](repeating: 0, count: max(count, warmUp))
        for part in [warmUp, count] {
            let answered = bench_ping(process, output, SIGUSR1, &times, part, pause)
            if answered != part { throw .because("did not answer ping \(answered + 1), or ended") }
        }
        return times[..<count].sorted()
    }

    /// The rest of what it says, until it ends, or has said nothing for so many seconds.
    func lastWords(patience: Double) -> String {
        var words: [UInt8] = []
        while case let byte = bench_byte(output, Int32(patience * 1000)), byte >= 0 { words.append(UInt8(byte)) }
        return String(decoding: words, as: UTF8.self)
    }

    /// Ends it if it has not ended. Its status, as waitpid(2) tells.
    @discardableResult
    func end() -> Int32 {
        if isOver { return 0 }
        isOver = true
        kill(process, SIGKILL)
        return reap()
    }

    /// Waits until it has ended.
    @discardableResult
    func reap() -> Int32 {
        isOver = true
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        close(output)
        return status
    }
}

enum Clock {
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
