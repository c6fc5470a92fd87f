// Daemons in simulations. When send returns, the effect of the signal is reported.
import Foundation
import TestSupport
import Testing

@testable import SignalBridge
@testable import SignalDaemon

@Suite("A daemon in a simulation") struct SimulationTests {
    @Test("Hundreds of daemons shut down at once, each in its own simulation")
    func hundreds() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<300 { group.addTask { try await shutdown(Way(rawValue: index % 6)!) } }
            try await group.waitForAll()
        }
    }

    private enum Way: Int {
        case drains, escalate, deadline, interrupted, requested, forced
    }

    private func shutdown(_ way: Way) async throws {
        let blocker = Blocker()
        defer { blocker.release() }
        let drains = way == .drains || way == .interrupted || way == .requested
        let (report, scene) = try await simulate { scene in
            try await Daemon.run(policy: .server.with(duplicateWindow: .zero), onTransition: scene.watch) { daemon in
                daemon.addCleanup("flush") { scene.step("flush") }
                try daemon.addTask("task") {
                    if drains { await daemon.shutdownRequested() } else { try await untilCancelled() }
                }
                scene.step("up")
                switch way {
                case .drains, .interrupted: await daemon.shutdownRequested()
                case .escalate, .deadline: try await untilCancelled()
                case .requested: daemon.shutdown()
                case .forced: await blocker.wait()
                }
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            switch way {
            case .drains: try scene.send(.sigterm)
            case .escalate: try scene.send(.sigterm, .sigterm)
            case .interrupted: try scene.send(.sigint)
            case .requested: break
            case .deadline, .forced:
                try scene.send(.sigterm)
                scene.simulator.advance(seconds: way == .forced ? 100 : 20)
            }
        }
        #expect((report.forcedExit != nil) == (way == .forced))
        #expect(scene.steps == (way == .forced ? ["up"] : ["up", "flush"]))
        #expect(scene.simulator.forcedExit == (way == .forced ? .sigterm : nil))
        #expect(report.signals.map(\.signal) == expectedSignals(way))
        switch way {
        case .drains, .requested: #expect(report.outcomes["task"] == "finished")
        case .escalate, .deadline: #expect(report.outcomes["body"] == "cancelled")
        case .interrupted: #expect(report.exitStatus == .signal(.sigint))
        case .forced: #expect(report.outcomes["body"] == "abandoned")
        }
    }

    private func expectedSignals(_ way: Way) -> [SignalNumber] {
        switch way {
        case .drains, .deadline, .forced: [.sigterm]
        case .escalate: [.sigterm, .sigterm]
        case .interrupted: [.sigint]
        case .requested: []
        }
    }

    @Test("The effect of a simulated signal is reported when send returns, also while another thread sends one")
    func sendersAtOnce() async throws {
        let end = Date(timeIntervalSinceNow: 4)
        while Date() < end {
            let (seen, late) = (Shared(false), Shared(0))
            try await withSimulatedSignals { simulator in
                async let report = Daemon.run(
                    onTransition: { if case .received = $0 { seen { $0 = true } } }
                ) { daemon in
                    daemon.notifyReady()
                    await daemon.shutdownRequested()
                }
                await simulator.waitUntilReady()
                let (ready, sent) = (Shared(0), Shared(0))
                for _ in 0..<2 {
                    startThread {
                        ready { $0 += 1 }
                        while ready.now < 2 {}
                        try? simulator.send(.sigterm)
                        if !seen.now { late { $0 += 1 } }
                        sent { $0 += 1 }
                    }
                }
                #expect(await eventually { sent.now == 2 })
                _ = try await report
            }
            #expect(late.now == 0)
            if late.now > 0 { break }
        }
    }

    @Test("A signal that is sent the moment the daemon subscribes ends the daemon")
    func signalBehindSubscribing() async throws {
        try await withSimulatedSignals { simulator in
            let sender = Task(executorPreference: InlineExecutor()) {
                await simulator.waitForSubscriber(of: .sigterm)
                try simulator.send(.sigterm)  // before the subscribing call has returned
            }
            let ended = Shared(false)
            let daemon = Task {
                defer { ended { $0 = true } }
                return try await Daemon.run { daemon in await daemon.shutdownRequested() }
            }
            #expect(await eventually { ended.now })
            simulator.advance(by: .zero)  // a daemon that missed the signal would notice it now
            #expect(try await daemon.value.signals.map(\.signal) == [.sigterm])
            try await sender.value
        }
    }

    @Test("A signal that is sent the moment onReload subscribes causes a reload")
    func signalBehindOnReload() async throws {
        let reloads = Shared(0)
        let (report, _) = try await simulate { scene in
            let policy = try SignalPolicy(graceful: [.sigterm], reload: [.sigusr1])
            return try await Daemon.run(policy: policy) { daemon in
                let sender = Task(executorPreference: InlineExecutor()) {
                    await scene.simulator.waitForSubscriber(of: .sigusr1)
                    try scene.send(.sigusr1)
                }
                try daemon.onReload { reloads { $0 += 1 } }
                try await sender.value
                scene.step("subscribed")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "subscribed")
            #expect(await eventually { reloads.now == 1 })
            try scene.send(.sigterm)
        }
        #expect(report.reason.description.hasPrefix("SIGTERM"))
        #expect(reloads.now == 1)
    }

    @Test("The effect of a signal is reported when send returns, also while another thread is inside onTransition")
    func reportedWhenSendReturns() async throws {
        let isInside = Shared(false)
        _ = try await simulate { scene in
            try await Daemon.run(onTransition: { transition in
                if case .ended(let task) = transition, task.name == "quick" {
                    isInside { $0 = true }
                    usleep(500_000)
                }
                scene.watch(transition)
            }) { daemon in
                try daemon.addThread("quick") { _ in }
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait("for the slow onTransition") { isInside.now }
            try scene.send(.sigterm)
            #expect(scene.phases.contains(.draining), "\(scene.lines)")
        }
    }

    @Test("The clock of a simulation does not go back")
    func clock() async {
        await withSimulatedSignals { simulator in
            simulator.advance(by: .seconds(5))
            simulator.advance(by: .seconds(-3))
            simulator.advance(by: .seconds(Int64.min))
            #expect(simulator.now == .seconds(5))
        }
    }
}
