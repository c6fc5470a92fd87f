// A random daemon, made from a seed: any work, actions, clean-ups, reloads, parts and children, which obey, fail, are
// late or hang. chaos.py signals it at random, and compares its report with its output and its exit status.
import Foundation
import SignalBridge
import SignalDaemon

struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {  // SplitMix64
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func one(in count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
    mutating func milliseconds(_ limit: Int) -> Duration { .milliseconds(Int.random(in: 0..<limit, using: &self)) }
}

/// The names of the work that has begun.
final class Begun: @unchecked Sendable {
    private let lock = NSLock()
    private var names: [String] = []

    func add(_ name: String) { lock.withLock { names.append(name) } }
    var all: [String] { lock.withLock { names } }
}

struct Chaos: Sendable {
    let begun = Begun()

    func run(_ seed: UInt64) async throws -> Never {
        var random = Random(state: seed)
        for signal in [SignalNumber.sigterm, .sigint, .sighup, .sigusr1] { try signal.setDisposition(.ignore) }
        var policy = [SignalPolicy.server, .commandLine, .nginx, .docker].randomElement(using: &random)!.with(
            gracePeriod: .milliseconds(400), cancelPeriod: .milliseconds(300), cleanupPeriod: .milliseconds(400),
            hardExitPeriod: .milliseconds(200), keepsIgnored: false)
        policy.secondSignal = [.escalate, .forceExit, .ignored].randomElement(using: &random)!
        policy.duplicateWindow = [.zero, .milliseconds(50), .milliseconds(500)].randomElement(using: &random)!
        let early = try policy.captureSignals()
        say("captured")
        let report = try await Daemon.run(
            policy: policy, takingOver: early, onForcedExit: { (report: DaemonReport<Void>) in self.tell(report) }
        ) { [random] daemon in
            var random = random
            try await self.fill(daemon, "", &random)
        }
        tell(report)
        report.exit()
    }

    private func tell(_ report: DaemonReport<Void>) {
        let names = Set(names(in: report, ""))
        for name in begun.all where !names.contains(name) { say("MISSING \(name)") }
        say("forced \(report.forcedExit != nil)")
        say("REPORT \(report.exitStatus)")
    }

    private func names(in report: DaemonReport<Void>, _ prefix: String) -> [String] {
        report.tasks.map { prefix + $0.name }
            + report.tasks.filter { $0.kind == .part }.flatMap { part in
                report.part(part.name).map { names(in: $0, prefix + part.name + "/") } ?? ["MISSING"]
            }
    }

    /// The body of a daemon or of a part.
    private func fill(_ daemon: Daemon, _ prefix: String, _ random: inout Random) async throws {
        begun.add(prefix + "body")
        if prefix.isEmpty { try await prepare(daemon, &random) }
        daemon.atExit { say("\(prefix)last") }
        var names: [String] = []
        for number in 0..<Int.random(in: 0..<6, using: &random) {
            let name = "work\(number)"
            let other = random.one(in: 3) ? names.randomElement(using: &random) : nil
            names.append(name)
            try add(name, prefix, to: daemon, after: other, &random)
        }
        for number in 0..<Int.random(in: 0..<4, using: &random) {
            let (name, pause, fails) = ("cleanup\(number)", random.milliseconds(150), random.one(in: 8))
            daemon.addCleanup(name, within: random.one(in: 3) ? random.milliseconds(200) : nil) {
                begun.add(prefix + name)
                try await Task.sleep(for: pause)
                if fails { throw Failed() }
            }
        }
        if prefix.isEmpty { say("ready") }
        let pause = random.milliseconds(300)
        if random.one(in: 6) { return }
        await daemon.shutdownRequested()
        if random.one(in: 10) { await hang() }
        try await Task.sleep(for: pause)
        if random.one(in: 8) { throw Failed() }
    }

    private func prepare(_ daemon: Daemon, _ random: inout Random) async throws {
        try daemon.onSignal(.sigusr1) { _ in try? await Task.sleep(for: .milliseconds(1)) }
        let (pause, fails) = (random.milliseconds(100), random.one(in: 3))
        if random.one(in: 2) {
            try? daemon.onReload {
                try await Task.sleep(for: pause)
                if fails { throw Failed() }
            }
        }
        if random.one(in: 4) {
            let child = Process()
            child.executableURL = URL(fileURLWithPath: "/bin/sleep")
            child.arguments = ["60"]
            child.standardOutput = FileHandle.nullDevice
            child.standardError = FileHandle.nullDevice
            try child.run()
            try daemon.adoptChild(child.processIdentifier)
            say("child \(child.processIdentifier)")
        }
        if random.one(in: 3) { try await daemon.startup { try await Task.sleep(for: pause) } }
    }

    private func add(
        _ name: String, _ prefix: String, to daemon: Daemon, after other: String?, _ random: inout Random
    ) throws {
        let (pause, fails, hangs) = (random.milliseconds(300), random.one(in: 10), random.one(in: 15))
        let behavior = [ShutdownBehavior.drain, .cancel, .complete].randomElement(using: &random)!
        let failure = [FailureBehavior.shutDown, .report].randomElement(using: &random)!
        switch Int.random(in: 0..<4, using: &random) {
        case 0 where prefix.count < 12:
            let inner = random
            try daemon.addPart(name, onFailure: failure, after: other) { part in
                begun.add(prefix + name)
                var random = inner
                try await fill(part, prefix + name + "/", &random)
            }
        case 1:
            try daemon.addThread(name, onShutdown: behavior, onFailure: failure, after: other) { token in
                begun.add(prefix + name)
                if hangs { while true { usleep(1000) } }
                while !token.wait(timeout: pause), !fails {}
                if fails { throw Failed() }
            }
        default:
            try daemon.addTask(name, onShutdown: behavior, onFailure: failure, after: other) {
                begun.add(prefix + name)
                if hangs { await hang() }
                await daemon.shutdownRequested()
                try await Task.sleep(for: pause)
                if fails { throw Failed() }
            }
        }
    }
}
