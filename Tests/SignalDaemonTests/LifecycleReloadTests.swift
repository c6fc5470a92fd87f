// Reloads: no signal is lost, two never run at once, and a shutdown wins.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// What is loaded: a number that counts up, and how many loads and applications run at once.
private final class Source: Sendable {
    private let state = Shared((version: 0, loads: 0, active: 0, most: 0, applied: -1))

    func change() { state { $0.version += 1 } }
    var version: Int { state.now.version }
    var loads: Int { state.now.loads }
    var most: Int { state.now.most }
    var applied: Int { state.now.applied }

    func enter() {
        state {
            $0.active += 1
            $0.most = max($0.most, $0.active)
        }
    }
    func leave() { state { $0.active -= 1 } }

    /// What is read at the start counts: a signal that came after it needs another load.
    @Sendable func load() async throws -> Int {
        enter()
        defer { leave() }
        let version = state { state in
            state.loads += 1
            return state.version
        }
        for _ in 0..<3 { await Task.yield() }
        return version
    }

    @Sendable func apply(_ version: Int) async throws {
        enter()
        defer { leave() }
        await Task.yield()
        state { $0.applied = version }
    }
}

@Suite struct LifecycleReloads {
    @Test("after 1,000 HUPs in a burst there is a reload that began after the last, and two never run at once")
    func applyBurst() async throws {
        let source = Source()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch, load: source.load, apply: source.apply
            ) { daemon, version in
                scene.step("up \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up 0")
            for _ in 0..<1000 {
                source.change()
                try scene.send(.sighup)
            }
            try await scene.wait("for the last") { source.applied == 1000 }
            // Nothing is left over that would load again.
            try await scene.wait("until the reloads are over") {
                scene.lines.filter { $0 == "reloading" }.count == scene.lines.filter { $0 == "reloaded" }.count
            }
            try scene.send(.sigterm)
        }
        #expect(source.most == 1)
        #expect(report.reloads >= 1 && report.reloads <= 1000)
        #expect(source.loads == report.reloads + 1)
        #expect(report.failedReloads.isEmpty)
        #expect(scene.steps == ["up 0"], "the body is not restarted")
        #expect(report.signals.count == 1, "only what ends it")
        #expect(report.exitStatus == .code(0))
    }

    @Test("the same with a restart: one body at a time, and the last has what was loaded last")
    func restartBurst() async throws {
        let source = Source()
        let bodies = Source()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch, load: source.load) { daemon, version in
                bodies.enter()
                defer { bodies.leave() }
                daemon.addCleanup("hook") {
                    bodies.enter()
                    await Task.yield()
                    bodies.leave()
                }
                scene.step("\(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "0")
            for _ in 0..<1000 {
                source.change()
                try scene.send(.sighup)
            }
            try await scene.wait(for: "1000")
            try scene.send(.sigterm)
        }
        #expect(source.most == 1)
        #expect(bodies.most == 1)
        #expect(report.forcedExit == nil)
        let versions = scene.steps.compactMap { Int($0) }
        #expect(versions == versions.sorted())
        #expect(versions.count == report.reloads + 1)
        #expect(scene.transitions.filter { if case .started = $0 { true } else { false } }.count == versions.count)
    }

    @Test("the same with onReload, whose actions run one after the other")
    func actionBurst() async throws {
        let source = Source()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.onReload {
                    try await source.apply(try await source.load())
                    scene.step("first")
                }
                try daemon.onReload {
                    source.enter()
                    await Task.yield()
                    scene.step("second")
                    source.leave()
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            for _ in 0..<1000 {
                source.change()
                try scene.send(.sighup)
            }
            try await scene.wait("for the last") { source.applied == 1000 && scene.steps.last == "second" }
            try await scene.wait(forLine: "reloaded")
            try scene.send(.sigterm)
        }
        #expect(source.most == 1)
        #expect(scene.steps.dropFirst().enumerated().allSatisfy { $1 == ($0 % 2 == 0 ? "first" : "second") })
        let all = 1 + 2 * source.loads
        #expect((all - 2...all).contains(scene.steps.count), "all, unless the last was cut short")
        #expect(report.reloads == source.loads || report.reloads == source.loads - 1, "if the last was cut short")
    }

    @Test("signals during a reload lead to exactly one more")
    func onceMore() async throws {
        let door = Door()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.onReload {
                    scene.step("reload")
                    await door.wait()
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sighup)
            try await scene.wait(for: "reload")
            for _ in 0..<10 { try scene.send(.sighup) }
            #expect(Set(scene.responses) == [.beganReload, .queuedReload] && scene.responses.first == .beganReload)
            door.open()
            try await scene.wait("for two") { scene.lines.filter { $0 == "reloaded" }.count == 2 }
            try await Task.sleep(for: .milliseconds(50))  // in which a third would begin
            try scene.send(.sigterm)
        }
        #expect(scene.steps == ["up", "reload", "reload"])
        #expect(report.reloads == 2)
    }

    @Test("a load that fails leaves the old value, is reported, and the next one works", arguments: [true, false])
    func failingLoad(applies: Bool) async throws {
        let calls = Shared(0)
        let applied = Shared<[Int]>([])
        let apply: @Sendable (Int) async throws -> Void = { version in applied { $0.append(version) } }
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    let call = calls { calls in
                        calls += 1
                        return calls
                    }
                    if call == 2 { throw Broken() }
                    return call
                },
                apply: applies ? apply : nil
            ) { daemon, version in
                daemon.addCleanup("hook") { scene.step("hook \(version)") }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            try scene.send(.sighup)
            try await scene.wait(forLine: "reload failed, nothing is changed: Broken()")
            #expect(scene.steps == ["body 1"] && applied.now.isEmpty)
            try scene.send(.sighup)
            if applies {
                try await scene.wait(forLine: "reloaded")
            } else {
                try await scene.wait(for: "body 3")
            }
            try scene.send(.sigterm)
        }
        #expect(applied.now == (applies ? [3] : []))
        #expect(scene.steps == (applies ? ["body 1", "hook 1"] : ["body 1", "hook 1", "body 3", "hook 3"]))
        #expect(report.reloads == 1)
        #expect(report.failedReloads.count == 1)
        #expect(report.failedReloads.first is Broken)
        #expect(report.exitStatus == .code(0))
        #expect(report.description.contains("reload failed: Broken()"))
    }

    @Test("an apply that throws is a failed reload, and so is an onReload action")
    func failingApply() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch, load: { 1 }, apply: { _ in throw Broken() }
            ) { daemon, _ in
                try daemon.onReload { throw CancellationError() }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sighup)
            try await scene.wait("for the failure") { scene.lines.contains { $0.hasPrefix("reload failed") } }
            #expect(scene.phases.isEmpty)
            try scene.send(.sigterm)
        }
        #expect(report.reloads == 0)
        #expect(!report.failedReloads.isEmpty)
        #expect(!scene.lines.contains("reloaded"))
        #expect(report.exitStatus == .code(0))
    }
}
