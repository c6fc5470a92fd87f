// The rules for states into which a test cannot bring a process of its own.
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

    @Test("The verdict names what it may not read")
    func unreadable() {
        let block: (inout ProcessSnapshot) -> Void = { process in
            for index in process.threads.indices { process.threads[index].blocked = SignalSet(.sigterm) }
        }
        #expect(codes(after: block) { $0.signalDescriptors = nil } == ["pending", "blocked", "unreadable"])
        #expect(codes { $0.threads[1].wait = .unknownSignals } == ["terminates", "defaultAction", "unreadable"])
        #expect(codes { $0.threads[1].wait = .unreadable } == ["terminates", "defaultAction", "unreadable"])
    }

    @Test("A sender without permission, and a pid of another namespace")
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

    @Test("A SIGCHLD that the main thread does not block is discarded, although another thread waits for it")
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
            } == ["nothing", "exiting"])
        #expect(
            codes(.sigkill) {
                $0.isExiting = true; $0.caught = SignalSet(.sigterm)
                $0.threads = [$0.threads[0]]; $0.threads[0].state = .uninterruptible
            } == ["nothing", "exiting", "uninterruptible"])
        #expect(codes { $0.isExiting = true } == ["terminates", "defaultAction"], "only the main thread exits")
        #expect(codes { ($0.queued, $0.queueLimit) = (9, 9) } == ["terminates", "defaultAction", "queueFull"])
    }

    @Test("SIGSTOP waits for a tracer, and SIGKILL does not")
    func tracedStop() {
        let isTraced: (inout ProcessSnapshot) -> Void = { process in
            (process.tracer, process.state) = (9, .traced)
            for index in process.threads.indices { process.threads[index].state = .traced }
        }
        #expect(codes(.sigstop, isTraced) == ["stops", "traced"])
        #expect(codes(.sigkill, isTraced) == ["terminates"])
        #expect(isDelayed(.sigstop, isTraced) && !isDelayed(.sigkill, isTraced))
    }

    @Test("A freezer delays every signal that does not end the process; one of version 1 delays SIGKILL, too")
    func frozen() {
        let version2: (inout ProcessSnapshot) -> Void = { $0.isFrozen = true }
        for signal in [SignalNumber.sigquit, .sigstop, .sigtstp] { #expect(isDelayed(signal, version2), "\(signal)") }
        for signal in [SignalNumber.sigkill, .sigterm] {
            #expect(!isDelayed(signal, version2))
            #expect(isDelayed(signal) { ($0.isFrozen, $0.isFrozenByVersion1) = (true, true) })
        }
        #expect(isDelayed(.sigcont) { ($0.isFrozen, $0.state) = (true, .stopped) })
        #expect(codes(.sigkill, version2) == ["terminates", "frozen"])
    }

    private func isDelayed(_ signal: SignalNumber, _ change: (inout ProcessSnapshot) -> Void) -> Bool {
        var process = process
        change(&process)
        return Verdict(for: signal, in: process).isDelayed
    }

    @Test("SIGCONT may be sent to any process of the same session")
    func sameSession() {
        let isOther: (inout ProcessSnapshot) -> Void = { ($0.isPermitted, $0.isOfOwnSession) = (false, true) }
        #expect(codes(.sigcont, isOther) == ["discarded", "ignoredByDefault"])
        #expect(codes(.sigterm, isOther) == ["terminates", "permission", "defaultAction"])
        #expect(codes(.sigcont) { $0.isPermitted = false } == ["discarded", "permission", "ignoredByDefault"])
    }

    @Test("One stopped thread is a stopped process")
    func stoppedWorker() {
        let stops: (inout ProcessSnapshot) -> Void = { process in
            (process.state, process.threads[0].state, process.threads[1].state) = (.zombie, .zombie, .stopped)
        }
        #expect(codes(.sigterm, stops) == ["terminates", "defaultAction", "stopped"])
        #expect(codes(.sigcont, stops) == ["continues", "stopped"])
    }

    @Test("An orphaned process group takes SIGSTOP, and what is caught")
    func orphanedGroup() {
        let isOrphaned: (inout ProcessSnapshot) -> Void = { $0.isInOrphanedGroup = true }
        #expect(codes(.sigttin, isOrphaned) == ["discarded", "orphanedGroup"])
        #expect(codes(.sigstop, isOrphaned) == ["stops"])
        #expect(codes(.sigtstp, after: isOrphaned) { $0.caught = SignalSet(.sigtstp) } == ["handled", "handler"])
    }

    @Test("Which process groups are orphaned")
    func groups() throws {
        func process(_ parent: Int32, _ group: Int32, _ session: Int32, _ state: String = "S") throws -> StatFile {
            let text = "7 (x) \(state) \(parent) \(group) \(session) 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 42 0 0"
            return try #require(StatFile(text))
        }
        var processes: [Int32: StatFile] = [
            1: try process(0, 1, 1), 10: try process(1, 10, 10), 20: try process(10, 20, 10),
            21: try process(20, 20, 10), 30: try process(20, 30, 30), 40: try process(1, 40, 1),
        ]
        func orphans(kernelInit: Bool = true) -> [Int32] {
            let table = ProcessTable(processes: processes, hasKernelInit: kernelInit)
            return [0, 10, 20, 30, 40].filter { table.isOrphaned($0) }
        }
        #expect(orphans() == [10, 30, 40], "a job of a shell is not: 20")
        #expect(orphans(kernelInit: false) == [10, 30])
        processes[20] = try process(10, 20, 10, "Z")
        #expect(orphans() == [10, 20, 30, 40], "a zombie does not count")
        processes[21] = try process(99, 20, 10)
        #expect(orphans() == [10, 30, 40], "a parent that is hidden counts")
    }

    @Test("The verdict names a pending SIGKILL, after which no other signal has an effect")
    func killed() {
        let forProcess: (inout ProcessSnapshot) -> Void = { $0.pending = SignalSet(.sigkill) }
        let forThreads: (inout ProcessSnapshot) -> Void = { process in
            for index in process.threads.indices { process.threads[index].pending = SignalSet(.sigkill) }
        }
        for change in [forProcess, forThreads] {
            #expect(codes(.sigkill, change) == ["terminates", "alreadyPending"])
            #expect(codes(after: { $0.caught = SignalSet(.sigterm) }, change) == ["discarded", "alreadyPending"])
            #expect(codes(.sigstop, change) == ["discarded", "alreadyPending"])
        }
        #expect(
            codes(after: { $0.caught = SignalSet(.sigterm) }) { $0.threads[1].pending = SignalSet(.sigkill) }
                == ["handled", "handler"])
    }

    @Test("Any thread in an uninterruptible sleep holds the end up, and the verdict is no success")
    func uninterruptibleWorker() {
        let sleeps: (inout ProcessSnapshot) -> Void = { $0.threads[1].state = .uninterruptible }
        #expect(codes(.sigkill, sleeps) == ["terminates", "uninterruptible"])
        #expect(codes(.sigterm, sleeps) == ["terminates", "defaultAction", "uninterruptible"])
        #expect(codes(after: { $0.caught = SignalSet(.sigterm) }, sleeps) == ["handled", "handler"])
        var process = process
        #expect(conclusion(.sigkill, process) == TextStyle(isColored: true).good("SIGKILL ends it."))
        sleeps(&process)
        #expect(conclusion(.sigkill, process) == TextStyle(isColored: true).warning("SIGKILL ends it."))
        process.threads[0].state = .uninterruptible
        let text = Verdict(for: .sigkill, in: process).reasons[0].text
        #expect(text.hasPrefix("Thread 7 and 1 more are in an uninterruptible sleep (D): "))
        #expect(Verdict(for: .sigstop, in: process).isDelayed)
    }

    /// The line of the text that says what happens, in its colour.
    private func conclusion(_ signal: SignalNumber, _ process: ProcessSnapshot) -> String? {
        let verdict = Verdict(for: signal, in: process)
        let text = InspectionText(process: process, verdict: verdict, style: TextStyle(isColored: true))
        return text.lines.first { $0.contains(verdict.summary) }
    }

    @Test("Other default actions")
    func otherActions() {
        #expect(codes(.sigquit) { _ in } == ["dumpsCore", "defaultAction"])
        #expect(codes(.sigtstp) { _ in } == ["stops", "defaultAction"])
        #expect(codes(.sigcont) { _ in } == ["discarded", "ignoredByDefault"])
        #expect(codes(.sigstop) { $0.state = .stopped } == ["stops", "stopped"])
    }
}
