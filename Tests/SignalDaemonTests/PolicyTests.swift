// Policies: the meaning of each signal.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

@Suite("Policies") struct PolicyTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let policy: SignalPolicy
        let hard: Set<SignalNumber>
        let graceful: Set<SignalNumber>
        let reload: Set<SignalNumber>
        var periods: [Duration] = [.seconds(20), .seconds(4), .seconds(4)]
        var second = SignalPolicy.SecondSignal.escalate
        var testDescription: String { name }
    }

    static let rows = [
        Row(name: "server", policy: .server, hard: [], graceful: [.sigterm, .sigint], reload: [.sighup]),
        Row(
            name: "commandLine", policy: .commandLine, hard: [], graceful: [.sigint, .sigterm, .sighup], reload: [],
            periods: [.zero, .seconds(2), .seconds(1)], second: .forceExit),
        Row(name: "nginx", policy: .nginx, hard: [.sigterm, .sigint], graceful: [.sigquit], reload: [.sighup]),
        Row(name: "apache", policy: .apache, hard: [.sigterm], graceful: [.sigwinch], reload: [.sighup]),
        Row(name: "uwsgi", policy: .uwsgi, hard: [.sigint, .sigquit], graceful: [], reload: [.sighup, .sigterm]),
        Row(name: "gunicorn", policy: .gunicorn, hard: [.sigint, .sigquit], graceful: [.sigterm], reload: [.sighup]),
        Row(
            name: "docker", policy: .docker, hard: [], graceful: [.sigterm, .sigint], reload: [],
            periods: [.seconds(6), .milliseconds(1500), .milliseconds(1500)]),
    ]

    @Test("Each policy has the signals and periods of its row in the table", arguments: rows)
    func table(row: Row) {
        #expect(row.policy.hardExit == row.hard)
        #expect(row.policy.graceful == row.graceful)
        #expect(row.policy.reload == row.reload)
        #expect([row.policy.gracePeriod, row.policy.cancelPeriod, row.policy.cleanupPeriod] == row.periods)
        #expect(row.policy.hardExitPeriod == .seconds(1))
        #expect(row.policy.secondSignal == row.second)
        #expect(row.policy.duplicateWindow == .milliseconds(500))
        #expect(row.policy.keepsIgnored)
    }

    @Test(
        "Each signal of a policy has its effect if a process sends it, and no other signal is touched", arguments: rows)
    func effect(row: Row) async throws {
        for signal in catchable where row.hard.union(row.graceful).union(row.reload).contains(signal) {
            let (report, scene) = try await simulate { scene in
                try await Daemon.run(
                    policy: row.policy, onTransition: scene.watch, load: { 1 }, apply: { _ in scene.step("applied") }
                ) { daemon, _ in
                    scene.step("up")
                    await daemon.shutdownRequested()
                }
            } drive: { scene in
                try await scene.wait(for: "up")
                for other in catchable {
                    let isNamed = row.hard.union(row.graceful).union(row.reload).contains(other)
                    if (disposition(of: other) == .handler) != isNamed { Issue.record("\(other)") }
                }
                try scene.send(signal)
                if row.reload.contains(signal) {
                    #expect(scene.responses == [.beganReload])
                    try await scene.wait(for: "applied")
                    try await scene.wait(forLine: "reloaded")
                    try scene.send((row.graceful.first ?? row.hard.first)!)
                } else {
                    #expect(scene.responses == [row.hard.contains(signal) ? .stoppedImmediately : .beganShutdown])
                    let straight = row.hard.contains(signal) || row.periods[0] == .zero
                    #expect(scene.phases.first == (straight ? .cancelling : .draining))
                }
            }
            #expect(report.forcedExit == nil)
            #expect(report.reloads == (row.reload.contains(signal) ? 1 : 0))
            if row.hard.contains(signal) { #expect(report.exitStatus == .signal(signal)) }
            if row.graceful.contains(signal) {
                #expect(report.exitStatus == (signal == .sigint ? .signal(.sigint) : .code(0)))
            }
            #expect(scene.simulator.forcedExit == nil)
            for signal in catchable where scene.simulator.withSimulation({ disposition(of: signal) }) != .default {
                Issue.record("\(signal) is not as it was")
            }
        }
    }

    @Test(
        "A SIGHUP from the kernel, or without a reload, ends the daemon of each policy that reloads by it, gracefully",
        arguments: rows.filter { $0.reload.contains(.sighup) })
    func hangup(row: Row) async throws {
        for isReloadable in [true, false] {
            let (report, scene) = try await simulate { scene in
                try await Daemon.run(policy: row.policy, onTransition: scene.watch) { daemon in
                    if isReloadable { try daemon.onReload { scene.step("reload") } }
                    scene.step("up")
                    await daemon.shutdownRequested()
                }
            } drive: { scene in
                try await scene.wait(for: "up")
                try scene.simulator.send(.sighup, sender: isReloadable ? nil : .current)
            }
            #expect(scene.responses == [.beganShutdown])
            #expect(scene.phases == [.draining, .cleaningUp])
            #expect(scene.steps == ["up"])
            #expect(report.signals.map(\.signal) == [.sighup])
            #expect(report.reloads == 0)
            #expect(report.exitStatus == .code(0))
            #expect(scene.simulator.forcedExit == nil)
        }
    }

    @Test("with(…) changes only what it names")
    func with() {
        for policy in Self.rows.map(\.policy) {
            #expect(policy.with() == policy)
            var other = policy
            other.gracePeriod = .seconds(60)
            #expect(policy.with(gracePeriod: .seconds(60)) == other)
            other = policy
            other.cancelPeriod = .seconds(61)
            #expect(policy.with(cancelPeriod: .seconds(61)) == other)
            other = policy
            other.cleanupPeriod = .seconds(62)
            #expect(policy.with(cleanupPeriod: .seconds(62)) == other)
            other = policy
            other.hardExitPeriod = .seconds(63)
            #expect(policy.with(hardExitPeriod: .seconds(63)) == other)
            other = policy
            other.secondSignal = policy.secondSignal == .forceExit ? .escalate : .forceExit
            #expect(policy.with(secondSignal: other.secondSignal) == other)
            other = policy
            other.duplicateWindow = .seconds(64)
            #expect(policy.with(duplicateWindow: .seconds(64)) == other)
            other = policy
            other.keepsIgnored = false
            #expect(policy.with(keepsIgnored: false) == other)
            #expect(other != policy)
        }
    }

    @Test("A custom policy has the server's periods and its own signals", .enabled(if: hasRealtimeSignals))
    func own() async throws {
        let signals = [SignalNumber.sigusr1, .sigusr2, .realtime(0)]
        let policy = try SignalPolicy(hardExit: [signals[0]], graceful: [signals[1]], reload: [signals[2]])
        let periods = [policy.gracePeriod, policy.cancelPeriod, policy.cleanupPeriod, policy.hardExitPeriod]
        #expect(periods == [.seconds(20), .seconds(4), .seconds(4), .seconds(1)])
        #expect(policy.secondSignal == .escalate && policy.keepsIgnored)
        #expect(policy.duplicateWindow == .milliseconds(500))
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: policy, onTransition: scene.watch) { daemon in
                try daemon.onReload { scene.step("reload") }
                scene.step("up")
                try await untilCancelled()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.realtime(0))
            try await scene.wait(for: "reload")
            try scene.send(.sigusr2)
            #expect(scene.phases == [.draining])
            try scene.send(.sigusr1)
        }
        #expect(scene.responses.first == .beganReload)
        #expect(report.hardExit?.signal == .sigusr1)
        #expect(report.exitStatus == .signal(.sigusr1))
    }

    @Test("A signal that is named twice is refused")
    func duplicateSignal() {
        let policies: [() throws -> SignalPolicy] = [
            { try SignalPolicy(hardExit: [.sigterm], graceful: [.sigint, .sigterm]) },
            { try SignalPolicy(graceful: [.sigterm], reload: [.sighup, .sigterm]) },
            { try SignalPolicy(hardExit: [.sigterm], reload: [.sigterm]) },
            { try SignalPolicy(graceful: [.sigterm, .sigterm]) },
        ]
        for policy in policies {
            let error = refusal { _ = try policy() }
            #expect(error?.code == .duplicateSignal)
            #expect(error?.signal == .sigterm)
            #expect(error?.description.contains("SIGTERM") == true)
        }
    }

    @Test("A policy without signals is refused, and so is one with a signal that cannot be subscribed to")
    func refused() {
        #expect(refusal { _ = try SignalPolicy() }?.code == .noSignals)
        #expect(refusal { _ = try SignalPolicy(graceful: [.sigkill]) }?.code == .uncatchable)
        #expect(refusal { _ = try SignalPolicy(graceful: [.sigterm], reload: [.sigstop]) }?.code == .uncatchable)
        let fault = SignalNumber(rawValue: SIGSEGV)
        #expect(refusal { _ = try SignalPolicy(hardExit: [fault]) }?.code == .synchronousFault)
        let none = SignalNumber(rawValue: 1000)
        #expect(refusal { _ = try SignalPolicy(reload: [none]) }?.code == .outOfRange)
    }

    @Test("A signal that was ignored at the start stays ignored, unless the policy takes it", arguments: [true, false])
    func ignored(keeps: Bool) async throws {
        let (report, scene) = try await simulate { scene in
            for signal in [SignalNumber.sigint, .sighup] { try signal.setDisposition(.ignore) }
            let policy = SignalPolicy.server.with(keepsIgnored: keeps)
            return try await Daemon.run(policy: policy, onTransition: scene.watch) { daemon in
                try daemon.onReload { scene.step("reload") }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            #expect(disposition(of: .sigint) == (keeps ? .ignore : .handler))
            #expect(disposition(of: .sighup) == (keeps ? .ignore : .handler))
            try scene.send(.sighup)
            try scene.send(.sigint)
            #expect(scene.responses == (keeps ? [] : [.beganReload, .beganShutdown]))
            if keeps { try scene.send(.sigterm) }
        }
        #expect(report.signals.map(\.signal) == [keeps ? .sigterm : .sigint])
        #expect(report.exitStatus == (keeps ? .code(0) : .signal(.sigint)))
        if keeps { #expect(!scene.steps.contains("reload")) }
        #expect(scene.lines.first == (keeps ? "left ignored: SIGHUP, SIGINT" : "started"))
        #expect(scene.lines.filter { $0.hasPrefix("left ignored") }.count == (keeps ? 1 : 0))
        scene.simulator.withSimulation {
            #expect(disposition(of: .sigint) == .ignore)
            #expect(disposition(of: .sighup) == .ignore)
            #expect(disposition(of: .sigterm) == .default)
        }
        #expect(scene.simulator.forcedExit == nil)
    }
}
