// The rules for what no process of a test's own can be in.
import SignalBridge
import Testing

@testable import SignalsTool

@Suite("The rules of a verdict")
struct VerdictRuleTests {
    private var process = ProcessSnapshot(id: 7, name: "x", state: .sleeping)

    init() {
        process.isPermitted = true
        process.namespaceIDs = [7]
        process.signalDescriptors = []
        process.threads = [thread(7), thread(8)]
    }

    private func thread(_ id: Int32) -> ThreadSnapshot {
        ThreadSnapshot(id: id, name: "worker", state: .sleeping, blocked: SignalSet(), pending: SignalSet())
    }

    private func codes(_ signal: SignalNumber = .sigterm, _ change: (inout ProcessSnapshot) -> Void) -> [String] {
        codes(signal, after: { _ in }, change)
    }

    private func codes(
        _ signal: SignalNumber = .sigterm, after first: (inout ProcessSnapshot) -> Void,
        _ change: (inout ProcessSnapshot) -> Void
    ) -> [String] {
        var process = process
        first(&process)
        change(&process)
        let verdict = Verdict(for: signal, in: process)
        return [verdict.outcome.rawValue] + verdict.reasons.map(\.code.rawValue)
    }

    @Test("What may not be seen is said")
    func unreadable() {
        let block: (inout ProcessSnapshot) -> Void = { process in
            for index in process.threads.indices { process.threads[index].blocked = SignalSet(.sigterm) }
        }
        #expect(codes(after: block) { $0.signalDescriptors = nil } == ["pending", "blocked", "unreadable"])
        #expect(codes { $0.threads[1].wait = .unknownSignals } == ["terminates", "defaultAction", "unreadable"])
        #expect(codes { $0.threads[1].wait = .unreadable } == ["terminates", "defaultAction", "unreadable"])
    }

    @Test("Who may not send, and to whom a pid belongs")
    func sender() {
        #expect(codes { $0.isPermitted = false } == ["terminates", "permission", "defaultAction"])
        #expect(codes { $0.isPermitted = nil } == ["terminates", "otherNamespace", "defaultAction"])
        #expect(codes { $0.namespaceIDs = [7, 3] } == ["terminates", "nestedNamespace", "defaultAction"])
    }

    @Test("PID 1, seen from within its namespace, cannot be killed")
    func initFromWithin() {
        #expect(codes { $0.namespaceIDs = [1] } == ["discarded", "namespaceInit"])
        #expect(codes(.sigkill) { $0.namespaceIDs = [1] } == ["discarded", "namespaceInit"])
        #expect(codes(.sigkill) { $0.namespaceIDs = [7, 1] } == ["terminates", "nestedNamespace"])
    }

    @Test("PID 1 gets what it has a handler for, and what it blocks")
    func initWithHandler() {
        let isInit: (inout ProcessSnapshot) -> Void = { $0.namespaceIDs = [1] }
        #expect(codes(after: isInit) { $0.caught = SignalSet(.sigterm) } == ["handled", "handler"])
        let blocks: (inout ProcessSnapshot) -> Void = { process in
            process.threads = [process.threads[0]]
            process.threads[0].blocked = SignalSet(.sigterm)
        }
        #expect(codes(after: isInit, blocks) == ["pending", "blocked"])
    }

    @Test("What the main thread does not block is discarded, although another thread waits for it")
    func discardedBeforeTheWait() {
        let waits = SignalWait.signals(SignalSet(.sigchld))
        #expect(codes(.sigchld) { $0.threads[1].wait = waits } == ["discarded", "ignoredByDefault"])
        #expect(codes(.sigchld) { $0.threads[0].wait = waits } == ["accepted", "sigwait"])
        let both: (inout ProcessSnapshot) -> Void = { process in
            process.threads[0].blocked = SignalSet(.sigchld)
            process.threads[1].wait = waits
        }
        #expect(codes(.sigchld, both) == ["accepted", "sigwait"])
    }

    @Test("A tracer sees what is ignored")
    func tracedAndIgnored() {
        #expect(
            codes {
                $0.tracer = 9; $0.ignored = SignalSet(.sigterm)
            } == ["discarded", "ignored", "traced"])
    }

    @Test("A process that exits, and a queue that is full")
    func exitingAndFull() {
        #expect(
            codes {
                $0.isExiting = true; $0.threads = [$0.threads[0]]
            } == ["terminates", "exiting", "defaultAction"])
        #expect(codes { ($0.queued, $0.queueLimit) = (9, 9) } == ["terminates", "defaultAction", "queueFull"])
    }

    @Test("Other default actions")
    func otherActions() {
        #expect(codes(.sigquit) { _ in } == ["dumpsCore", "defaultAction"])
        #expect(codes(.sigtstp) { _ in } == ["stops", "defaultAction"])
        #expect(codes(.sigcont) { _ in } == ["discarded", "ignoredByDefault"])
        #expect(codes(.sigstop) { $0.state = .stopped } == ["stops", "stopped"])
    }
}
