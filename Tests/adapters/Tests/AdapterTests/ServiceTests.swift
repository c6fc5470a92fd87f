// Services as work of a daemon.
import ServiceLifecycle
import SignalBridge
import SignalDaemon
import Testing

@Suite("A Service in a daemon", .timeLimit(.minutes(2))) struct ServiceTests {
    private let steps = Steps()

    @Test("A service hears of the shutdown in each of the ways that ServiceLifecycle has")
    func hears() async throws {
        let report = try await simulate { [steps] daemon in
            try daemon.addService("asks", Obedient(name: "asks", steps: steps))
            try daemon.addService(
                "is cancelled",
                Work {
                    steps.add("sleeps")
                    await cancelWhenGracefulShutdown { try? await Task.sleep(for: .seconds(3600)) }
                    #expect(!Task.isCancelled)
                    steps.add("woken")
                })
            try daemon.addService(
                "has a handler",
                Work {
                    let told = Door()
                    await withGracefulShutdownHandler {
                        #expect(!Task.isShuttingDownGracefully)
                        steps.add("has a handler")
                        await told.wait()
                        #expect(Task.isShuttingDownGracefully)
                    } onGracefulShutdown: {
                        steps.add("handler called")
                        told.open()
                    }
                })
        } drive: { simulator in
            for step in ["asks runs", "sleeps", "has a handler"] { try await steps.wait(for: step) }
            #expect(steps.all.count == 3)
            try simulator.send(.sigterm)
        }
        #expect(Set(steps.all.dropFirst(3)) == ["asks is told", "woken", "handler called"])
        for name in ["asks", "is cancelled", "has a handler"] { #expect(report.outcome(name) == "finished") }
        #expect(report.exitStatus == .code(0))
    }

    @Test("A service knows its daemon, and has the task-local values of the task that added it")
    func inherits() async throws {
        _ = try await simulate { [steps] daemon in
            try Self.$local.withValue("given") {
                try daemon.addService(
                    "service",
                    Work {
                        steps.add("\(Self.local) \(Daemon.current?.isShuttingDown == false)")
                        await Daemon.current?.shutdownRequested()
                    })
            }
        } drive: { simulator in
            try await steps.wait(for: "given true")
            try simulator.send(.sigterm)
        }
    }

    @TaskLocal private static var local = "default"

    @Test("A service that comes after other work hears of the shutdown when that has ended")
    func comesAfter() async throws {
        let door = Door()
        let report = try await simulate { [steps] daemon in
            try daemon.addTask("server") {
                await daemon.shutdownRequested()
                await door.wait()
                steps.add("server ended")
            }
            try daemon.addService("worker", Obedient(name: "worker", steps: steps), after: "server")
            try daemon.addService("other", Obedient(name: "other", steps: steps))
        } drive: { simulator in
            try await steps.wait(for: "worker runs")
            try await steps.wait(for: "other runs")
            try simulator.send(.sigterm)
            try await steps.wait(for: "other is told")  // and the worker is not, by the same way
            door.open()
        }
        #expect(steps.inOrder("other is told", "server ended", "worker is told"))
        #expect(report.outcome("worker") == "finished")
    }

    @Test("The shutdown of a part reaches its services, and no others")
    func partOfADaemon() async throws {
        let report = try await simulate { [steps] daemon in
            try daemon.addService("outside", Obedient(name: "outside", steps: steps))
            let part = try daemon.addPart("part") { part in
                try part.addService("inside", Obedient(name: "inside", steps: steps))
            }
            try daemon.onSignal(.sigusr1) { _ in part.shutdown() }
        } drive: { simulator in
            try await steps.wait(for: "inside runs")
            try await steps.wait(for: "outside runs")
            try simulator.send(.sigusr1)
            try await steps.wait(for: "inside is told")
            #expect(!steps.has("outside is told"))
            try simulator.send(.sigterm)
        }
        #expect(steps.inOrder("inside is told", "outside is told"))
        #expect(report.part("part")?.outcome("inside") == "finished")
    }

    @Test("A service is cancelled after the grace period")
    func isCancelled() async throws {
        let report = try await simulate { [steps] daemon in
            try daemon.addService(
                "deaf",
                Work {
                    steps.add("runs")
                    try await Task.sleep(for: .seconds(3600))
                })
        } drive: { simulator in
            try await steps.wait(for: "runs")
            try simulator.send(.sigterm)
            simulator.advance(by: .seconds(20))
        }
        #expect(report.outcome("deaf") == "cancelled")
        #expect(report.exitStatus == .code(0))
    }

    @Test("A service that ignores its cancellation is abandoned")
    func isAbandoned() async throws {
        let door = Door()
        defer { door.open() }
        let report = try await simulate { [steps] daemon in
            try daemon.addService(
                "stuck",
                Work {
                    steps.add("runs")
                    await door.wait()
                })
        } drive: { simulator in
            try await steps.wait(for: "runs")
            try simulator.send(.sigterm)
            simulator.advance(by: .seconds(60))
        }
        #expect(report.outcome("stuck") == "abandoned")
        #expect(report.forcedExit == .deadline(.cancelling))
    }

    @Test("With onShutdown: .cancel the shutdown cancels the service at once")
    func isCancelledAtOnce() async throws {
        let report = try await simulate { [steps] daemon in
            try daemon.addService(
                "ticker",
                Work {
                    steps.add("runs")
                    try await Task.sleep(for: .seconds(3600))
                }, onShutdown: .cancel)
        } drive: { simulator in
            try await steps.wait(for: "runs")
            try simulator.send(.sigterm)
        }
        #expect(report.outcome("ticker") == "cancelled")
        #expect(report.duration(of: .cancelling) == .zero)
    }

    @Test("A service that fails shuts the daemon down, or is reported", arguments: [FailureBehavior.shutDown, .report])
    func fails(_ onFailure: FailureBehavior) async throws {
        let report = try await simulate { [steps] daemon in
            try daemon.addService("other", Obedient(name: "other", steps: steps))
            try daemon.addService(
                "broken",
                Work {
                    try await steps.wait(for: "other runs")
                    throw Broken()
                }, onFailure: onFailure)
            if onFailure == .report { try daemon.onSignal(.sigusr1) { _ in steps.add("runs on") } }
        } drive: { simulator in
            if onFailure == .shutDown { return }
            try simulator.send(.sigusr1)
            try await steps.wait(for: "runs on")
            try simulator.send(.sigterm)
        }
        guard case .failed(let error) = report.task("broken")?.outcome else {
            Issue.record("\(report)")
            return
        }
        #expect(error is Broken)
        #expect(report.outcome("other") == "finished")
        #expect(report.exitStatus == .code(1))
    }

    @Test(
        "A service that returns before a shutdown has failed, unless it may",
        arguments: [.fail, .shutDown, .finish] as [ReturnBehavior])
    func returns(_ onReturn: ReturnBehavior) async throws {
        let report = try await simulate { [steps] daemon in
            try daemon.addService("other", Obedient(name: "other", steps: steps))
            try daemon.addService("short", Work { try await steps.wait(for: "other runs") }, onReturn: onReturn)
        } drive: { simulator in
            if onReturn == .finish { try simulator.send(.sigterm) }
        }
        #expect(report.outcome("other") == "finished")
        switch onReturn {
        case .fail:
            guard case .failed(let error) = report.task("short")?.outcome else {
                Issue.record("\(report)")
                return
            }
            #expect(error is ServiceReturnedError)
            #expect(report.exitStatus == .code(1))
        case .shutDown:
            #expect(report.outcome("short") == "finished")
            #expect(report.reason.description == ShutdownReason.requested.description)
            #expect(report.exitStatus == .code(0))
        case .finish:
            #expect(report.outcome("short") == "finished")
            #expect(report.signal?.signal == .sigterm)
        }
    }

    @Test("A daemon that is shutting down takes no service")
    func refuses() async throws {
        let report = try await simulate { [steps] daemon in
            daemon.shutdown()
            #expect(throws: SignalBridgeError.self) {
                try daemon.addService("late", Obedient(name: "late", steps: steps))
            }
        } drive: { _ in
        }
        #expect(report.task("late") == nil)
        #expect(steps.all == [])
    }

    @Test("Services of a list end in the reverse order, each when the one behind it has ended")
    func list() async throws {
        let door = Door()
        let report = try await simulate { [steps] daemon in
            try daemon.addTask("listener") {
                await daemon.shutdownRequested()
                await door.wait()
                steps.add("listener ended")
            }
            try daemon.addServices(
                [
                    "database": Obedient(name: "database", steps: steps),
                    "cache": Obedient(name: "cache", steps: steps),
                    "server": Obedient(name: "server", steps: steps),
                ], after: "listener")
            try daemon.addService("other", Obedient(name: "other", steps: steps))
        } drive: { simulator in
            for name in ["database", "cache", "server", "other"] { try await steps.wait(for: "\(name) runs") }
            try simulator.send(.sigterm)
            try await steps.wait(for: "other is told")
            door.open()
        }
        #expect(
            steps.inOrder("other is told", "listener ended", "server is told", "cache is told", "database is told"))
        #expect(
            report.tasks.map(\.name).filter(["database", "cache", "server"].contains) == [
                "server", "cache", "database",
            ])
        #expect(report.exitStatus == .code(0))
    }

    @Test("A list with a name twice, or with the name of what it comes after, is refused whole")
    func namesTwice() async throws {
        _ = try await simulate { [steps] daemon in
            let service = Obedient(name: "service", steps: steps)
            for (names, other) in [(["a": service, "b": service, "a": service], nil), (["a": service], "a")]
                as [(KeyValuePairs<String, any Service>, String?)]
            {
                do throws(SignalBridgeError) {
                    try daemon.addServices(names, after: other)
                    Issue.record("\(names) was accepted")
                } catch {
                    let code = error.code
                    #expect(code == .invalidArgument)
                }
            }
            daemon.shutdown()
        } drive: { _ in
        }
        #expect(steps.all == [])
    }

    @Test("A ServiceGroup is a service, and keeps its order")
    func group() async throws {
        let report = try await simulate { [steps] daemon in
            let group = ServiceGroup(
                services: [Obedient(name: "first", steps: steps), Obedient(name: "second", steps: steps)],
                logger: silent)
            try daemon.addService("group", group)
        } drive: { simulator in
            try await steps.wait(for: "first runs")
            try await steps.wait(for: "second runs")
            try simulator.send(.sigterm)
        }
        #expect(steps.inOrder("second is told", "first is told"))
        #expect(report.outcome("group") == "finished")
    }
}
