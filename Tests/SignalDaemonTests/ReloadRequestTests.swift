// Reloads that the program asks for: Daemon.reload().
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// Asks for a reload before this returns. The task's value is "reloaded", or the name of what `reload()` throws.
private func request(_ daemon: Daemon?) -> Task<String, Never> {
    Task(executorPreference: InlineExecutor()) { await outcome(of: daemon) }
}

/// The result of `reload()`: "reloaded", or the name of the error that it throws.
private func outcome(of daemon: Daemon?) async -> String {
    do {
        try await daemon?.reload()
        return "reloaded"
    } catch let error as SignalBridgeError {
        return error.code.description
    } catch {
        return "\(type(of: error))"
    }
}

@Suite("Requests to reload") struct ReloadRequestTests {
    @Test("A request returns when the reload is done")
    func returns() async throws {
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.onReload {
                    scene.step("reload")
                    await blocker.wait()
                    scene.step("reloaded")
                }
                try await daemon.reload()
                scene.step("returned")
            }
        } drive: { scene in
            try await scene.wait(for: "reload")
            try await Task.sleep(for: .milliseconds(50))
            #expect(scene.steps == ["reload"])
            blocker.release()
        }
        #expect(scene.steps == ["reload", "reloaded", "returned"])
        #expect(scene.lines.contains("reloading") && scene.lines.contains("reloaded"))
        #expect(report.reloads == 1)
        #expect(report.exitStatus == .code(0))
    }

    @Test("A request throws the error of the reload that answers it, and no other")
    func failure() async throws {
        let calls = Shared(0)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                try daemon.onReload {
                    let isFirst = calls { calls in
                        calls += 1
                        return calls == 1
                    }
                    if isFirst { throw Broken() }
                }
                scene.step(await outcome(of: daemon))
                scene.step(await outcome(of: daemon))
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["Broken", "reloaded"])
        #expect(report.reloads == 1)
        #expect(report.failedReloads.count == 1)
        #expect(report.exitStatus == .code(0))
    }

    @Test("Requests during a reload wait for the next one, which is one for all of them")
    func during() async throws {
        let blockers = [Blocker(), Blocker()]
        let calls = Shared(0)
        let kept = Shared<Daemon?>(nil)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                kept { $0 = daemon }
                try daemon.onReload {
                    let call = calls { calls in
                        calls += 1
                        return calls
                    }
                    scene.step("reload \(call)")
                    await blockers[call - 1].wait()
                    if call == 1 { throw Broken() }
                }
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            let first = request(kept.now)
            try await scene.wait(for: "reload 1")
            let second = request(kept.now)
            let isAnswered = Task { scene.step("second \(await second.value)") }
            let third = request(kept.now)
            blockers[0].release()
            #expect(await first.value == "Broken")
            try await scene.wait(for: "reload 2")
            try await Task.sleep(for: .milliseconds(50))
            #expect(scene.steps == ["up", "reload 1", "reload 2"])
            blockers[1].release()
            #expect(await second.value == "reloaded", "not the error of the first")
            #expect(await third.value == "reloaded")
            await isAnswered.value
            try scene.send(.sigterm)
        }
        #expect(calls.now == 2)
        #expect(report.reloads == 1 && report.failedReloads.count == 1)
        #expect(scene.responses == [.beganShutdown])
    }

    @Test("A request during the reload of a signal waits for the next one")
    func besideASignal() async throws {
        let source = ConfigurationSource()
        let blocker = Blocker()
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    let version = try await source.load()
                    if source.loads == 2 {
                        scene.step("loading")
                        await blocker.wait()
                    }
                    return version
                }, apply: source.apply
            ) { daemon, _ in
                scene.step("up")
                try await scene.wait(for: "loading")
                source.change()
                Task {
                    try await Task.sleep(for: .milliseconds(50))
                    blocker.release()
                }
                try await daemon.reload()
                scene.step("version \(source.applied)")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.send(.sighup)
        }
        #expect(scene.steps == ["up", "loading", "version 1"])
        #expect(source.loads == 3 && source.most == 1)
        #expect(report.reloads == 2)
    }

    @Test("A shutdown cancels the reload, and with it the requests", arguments: [false, true])
    func shutdown(restarts: Bool) async throws {
        let kept = Shared<Daemon?>(nil)
        let loads = Shared(0)
        let load: @Sendable (Scene) async throws -> Void = { scene in
            let isFirst = loads { loads in
                loads += 1
                return loads == 1
            }
            if isFirst { return }
            scene.step("reload")
            try await untilCancelled()
        }
        let body: @Sendable (Daemon, Scene) async -> Void = { daemon, scene in
            kept { $0 = daemon }
            scene.step("up")
            await daemon.shutdownRequested()
        }
        let (report, _) = try await simulate { scene in
            if restarts {
                try await Daemon.run(onTransition: scene.watch, load: { try await load(scene) }) { daemon, _ in
                    await body(daemon, scene)
                }
            } else {
                try await Daemon.run(onTransition: scene.watch, load: { try await load(scene) }, apply: { _ in }) {
                    daemon, _ in await body(daemon, scene)
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            let running = request(kept.now)
            try await scene.wait(for: "reload")
            let waiting = request(kept.now)
            try scene.send(.sigterm)
            #expect(await running.value == "CancellationError")
            #expect(await waiting.value == "CancellationError")
        }
        #expect(loads.now == 2)
        #expect(report.reloads == 0)
        #expect(report.exitStatus == .code(0))
        #expect(await outcome(of: kept.now) == "shuttingDown", "after the end")
    }

    @Test("The cancellation of the caller ends its wait, and not the reload")
    func cancelledCaller() async throws {
        let blocker = Blocker()
        let kept = Shared<Daemon?>(nil)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                kept { $0 = daemon }
                try daemon.onReload {
                    scene.step("reload")
                    await blocker.wait()
                    scene.step("cancelled: \(Task.isCancelled)")
                }
                scene.step("up")
                try await scene.wait(for: "cancelled: false")
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            let caller = request(kept.now)
            try await scene.wait(for: "reload")
            caller.cancel()
            #expect(await caller.value == "CancellationError")
            blocker.release()
        }
        #expect(scene.steps == ["up", "reload", "cancelled: false"])
        #expect(report.reloads == 1)
    }

    @Test("A daemon without reloads refuses, and so does one that shuts down")
    func refused() async throws {
        let (report, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                scene.step(await outcome(of: daemon))
                try daemon.onReload { scene.step("reload") }
                daemon.addCleanup("late") { scene.step(await outcome(of: daemon)) }
                daemon.shutdown()
                scene.step(await outcome(of: daemon))
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["invalidArgument", "shuttingDown", "shuttingDown"])
        #expect(report.exitStatus == .code(0))
        #expect(report.reloads == 0)
    }

    @Test("Where a reload restarts the body, a request returns when the restart begins")
    func restart() async throws {
        let old = Shared<Daemon?>(nil)
        let blocker = Blocker()
        let loads = Shared(0)
        let (report, _) = try await simulate { scene in
            try await Daemon.run(
                onTransition: scene.watch,
                load: {
                    loads { loads in
                        loads += 1
                        return loads
                    }
                }
            ) { daemon, version in
                old { $0 = $0 ?? daemon }
                scene.step("body \(version)")
                await daemon.shutdownRequested()
                if version == 1 {
                    scene.step("ending")
                    await blocker.wait()
                }
            }
        } drive: { scene in
            try await scene.wait(for: "body 1")
            let request = Task {
                let ending = await outcome(of: old.now)
                scene.step(ending)
                return (ending, scene.lines.filter { $0 == "started" }.count)
            }
            try await scene.wait(for: "ending")
            let (ending, starts) = await request.value
            #expect(ending == "reloaded")
            #expect(starts == 1, "the old body has not ended: it may be what waits for the request")
            blocker.release()
            try await scene.wait(for: "body 2")
            try scene.send(.sigterm)
        }
        #expect(loads.now == 2)
        #expect(report.reloads == 1)
    }

    @Test("A restart whose load fails throws that, and the old body runs on")
    func failedRestart() async throws {
        let loads = Shared(0)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(
                load: {
                    let isFirst = loads { loads in
                        loads += 1
                        return loads == 1
                    }
                    if !isFirst { throw Broken() }
                }
            ) { daemon, _ in
                scene.step(await outcome(of: daemon))
                #expect(!daemon.isShuttingDown)
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["Broken"])
        #expect(report.failedReloads.count == 1)
        #expect(report.exitStatus == .code(0))
    }

    @Test("A thread can wait for a reload, too")
    func thread() async throws {
        let fails = Shared(true)
        let (report, scene) = try await simulate { scene in
            try await Daemon.run { daemon in
                try daemon.onReload {
                    scene.step("reload")
                    if fails.now { throw Broken() }
                }
                try daemon.addThread("thread") { _ in
                    do {
                        try daemon.reload()
                    } catch {
                        scene.step("\(type(of: error))")
                    }
                    fails { $0 = false }
                    try daemon.reload()
                    scene.step("reloaded")
                }
            }
        } drive: { _ in
        }
        #expect(scene.steps == ["reload", "Broken", "reload", "reloaded"])
        #expect(report.reloads == 1 && report.failedReloads.count == 1)
    }
}
