// The level and the fields that a log entry has for each transition.
import SignalBridge
import TestSupport
import Testing

@testable import SignalDaemon

private let event = SignalEvent.captured(.sigterm, at: .seconds(1))

private func ended(_ outcome: DaemonTask.Outcome, countsAsFailure: Bool = false) -> DaemonTransition {
    var task = DaemonTask(name: "consumer", kind: .cleanup, outcome: outcome, duration: .zero)
    task.countsAsFailure = countsAsFailure
    return .ended(task)
}

/// Each transition with its level, and with its fields besides "event".
private let table:
    [(transition: DaemonTransition, level: DaemonTransition.Level, event: String, fields: [String: String])] = [
        (.started, .notice, "started", [:]),
        (received(.beganShutdown), .notice, "received", fields(.beganShutdown)),
        (received(.stoppedImmediately), .notice, "received", fields(.stoppedImmediately)),
        (received(.joinedShutdown), .notice, "received", fields(.joinedShutdown)),
        (received(.beganReload), .notice, "received", fields(.beganReload)),
        (received(.queuedReload), .notice, "received", fields(.queuedReload)),
        (received(.escalated), .warning, "received", fields(.escalated)),
        (received(.forcedExit), .warning, "received", fields(.forcedExit)),
        (received(.duplicate), .debug, "received", fields(.duplicate)),
        (received(.ignored), .notice, "received", fields(.ignored)),
        (received(.ignoredDuringShutdown), .notice, "received", fields(.ignoredDuringShutdown)),
        (
            .entered(.draining, .requested), .info, "entered",
            ["phase": "draining", "reason": "requested by the program"]
        ),
        (ended(.finished), .debug, "ended", ["work": "consumer", "kind": "cleanup", "outcome": "finished"]),
        (ended(.cancelled), .debug, "ended", ["work": "consumer", "kind": "cleanup", "outcome": "cancelled"]),
        (
            ended(.failed(Broken())), .error, "ended",
            ["work": "consumer", "kind": "cleanup", "outcome": "failed: Broken()"]
        ),
        (
            ended(.finished, countsAsFailure: true), .error, "ended",
            ["work": "consumer", "kind": "cleanup", "outcome": "finished"]
        ),
        (.cleanupOverran("flush"), .warning, "cleanupOverran", ["work": "flush"]),
        (.cleanupTimedOut("flush"), .warning, "cleanupTimedOut", ["work": "flush"]),
        (.waiting(for: ["a", "b"]), .warning, "waiting", ["work": "a, b"]),
        (.leftIgnored([.sighup, .sigint]), .notice, "leftIgnored", ["signal": "SIGHUP, SIGINT"]),
        (.tookBack(.sigint, isShared: false), .warning, "tookBack", ["signal": "SIGINT", "effect": "taken back"]),
        (.tookBack(.sigint, isShared: true), .warning, "tookBack", ["signal": "SIGINT", "effect": "shared"]),
        (.reloading, .info, "reloading", [:]),
        (.reloaded, .notice, "reloaded", [:]),
        (.reloadFailed(Broken()), .error, "reloadFailed", ["error": "Broken()"]),
        (.restartWaits(for: ["a"]), .warning, "restartWaits", ["work": "a"]),
        (.dropped(3), .warning, "dropped", ["count": "3"]),
        (
            .forced(.deadline(.cancelling), abandoned: ["a", "b"]), .critical, "forced",
            ["reason": "timed out while cancelling", "work": "a, b"]
        ),
        (.finished(.code(3)), .notice, "finished", ["status": "exit code 3"]),
    ]

private func received(_ response: DaemonTransition.Response) -> DaemonTransition { .received(event, response) }

private func fields(_ response: DaemonTransition.Response) -> [String: String] {
    ["signal": "SIGTERM", "sender": "\(SignalEvent.Sender.current)", "effect": "\(response)"]
}

@Suite("Levels of transitions") struct TransitionLevelTests {
    @Test("Each transition has the level that its table says, and its fields", arguments: table.indices)
    func each(row: Int) {
        let (transition, level, event, fields) = table[row]
        #expect(transition.level == level, "\(transition)")
        #expect(transition.metadata == fields.merging(["event": event]) { $1 }, "\(transition)")
    }

    @Test("A refused datagram is an error that names the call")
    func notification() {
        let error = SignalBridgeError(.systemCallFailed, nil, "sendto failed")
        let transition = DaemonTransition.notificationFailed(error)
        #expect(transition.level == .error)
        #expect(transition.metadata == ["event": "notificationFailed", "error": "\(error)"])
    }

    @Test("A transition of a part has the level and the fields of what happened, and the names of the parts")
    func part() {
        for (transition, level, event, fields) in table {
            let part = DaemonTransition.part("a", transition)
            #expect(part.level == level)
            #expect(part.metadata == fields.merging(["event": event, "part": "a"]) { $1 })
        }
        let nested = DaemonTransition.part("a", .part("b", .reloading))
        #expect(nested.metadata == ["event": "reloading", "part": "a.b"])
        #expect(nested.description == "a: b: reloading")
    }

    @Test("A signal without a sender names its cause")
    func cause() async throws {
        let (_, scene) = try await simulate { scene in
            try await Daemon.run(onTransition: scene.watch) { daemon in
                scene.step("up")
                await daemon.shutdownRequested()
            }
        } drive: { scene in
            try await scene.wait(for: "up")
            try scene.simulator.send(.sigint, sender: nil)
        }
        let received = try #require(scene.transitions.first { $0.metadata["event"] == "received" })
        #expect(received.metadata["sender"] == "kernel")
        #expect(received.metadata["signal"] == "SIGINT")
        #expect(scene.transitions.allSatisfy { $0.metadata["event"] != nil })
    }

    @Test("The levels have the names that swift-log gives them")
    func names() {
        #expect(
            DaemonTransition.Level.allCases.map(\.rawValue)
                == ["debug", "info", "notice", "warning", "error", "critical"])
    }
}
