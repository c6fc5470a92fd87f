import SignalBridge

/// The effect of a signal that is sent to a process now, and the reasons. It applies the rules of the kernel's
/// `send_signal`, `complete_signal` and `get_signal` to a snapshot; `signal(7)` describes them.
struct Verdict: Hashable, Sendable {
    let signal: SignalNumber
    private(set) var outcome = Outcome.pending
    /// Whether the effect must wait: for SIGCONT, a tracer, or the end of a system call.
    private(set) var isDelayed = false
    /// The threads that do not block the signal. The kernel tries the first one first.
    private(set) var takers: [Int32] = []
    private(set) var reasons: [Reason] = []

    private let process: ProcessSnapshot

    init(for signal: SignalNumber, in process: ProcessSnapshot) {
        self.signal = signal
        self.process = process
        addSender()
        decide()
    }

    private var name: String { signal.name }
    private var isUnstoppable: Bool { signal == .sigkill || signal == .sigstop }
    private var threads: [ThreadSnapshot] { process.liveThreads }
    /// Whether a SIGKILL is pending. `exec(2)` sends one to each thread except its own.
    private var isKilled: Bool {
        process.pending.contains(.sigkill) || !threads.isEmpty && threads.allSatisfy { $0.pending.contains(.sigkill) }
    }
    private var readers: [SignalDescriptor] { (process.signalDescriptors ?? []).filter { $0.signals.contains(signal) } }

    private mutating func add(_ code: Reason.Code, _ text: String) {
        reasons.append(Reason(code: code, text: text))
    }

    func has(_ code: Reason.Code) -> Bool { reasons.contains { $0.code == code } }

    // MARK: whether it arrives at all

    private mutating func addSender() {
        if process.isPermitted == false && !(signal == .sigcont && process.isOfOwnSession) {
            add(.permission, "You may not send it a signal (EPERM): it runs as uid \(process.user).")
        }
        if process.isPermitted == nil {
            add(
                .otherNamespace,
                "This /proc is of another PID namespace: `kill \(process.id)` here means another process.")
        }
        if process.isInNestedNamespace, let inner = process.namespaceIDs.last {
            add(.nestedNamespace, "It is in another PID namespace, and has the pid \(inner) there.")
        }
    }

    private mutating func decide() {
        if process.hasEnded {
            outcome = .nothing
            let parent = process.parentName.map { " (\($0))" } ?? ""
            return add(
                .zombie,
                "It is a zombie: it has ended, and no signal has an effect, not even SIGKILL. "
                    + "It goes when its parent, \(process.parent)\(parent), waits for it or ends.")
        }
        if process.isKernelThread {
            outcome = .discarded
            return add(.kernelThread, "It is a thread of the kernel, which discards signals.")
        }
        if process.isExiting && threads.allSatisfy({ $0.id == process.id }) {
            outcome = .nothing
            add(.exiting, "It has begun to exit, and no signal has an effect any more.")
            return addUninterruptible(threads)
        }
        if isKilled && signal != .sigkill {
            outcome = .discarded
            add(.alreadyPending, "SIGKILL is pending already: the kernel drops every other signal.")
            return addUninterruptible(threads)
        }
        if isUnstoppable { return decideUnstoppable() }
        if signal == .sigcont && process.isStopped {
            outcome = .continues
            takers = threads.filter { !$0.blocked.contains(signal) }.map(\.id)
            add(.stopped, "It is stopped, and goes on, even if it ignores or blocks SIGCONT.")
            return addFreezer()
        }
        if isDiscardedWhenSent { return discard() }
        takers = threads.filter { !$0.blocked.contains(signal) || $0.waits(for: signal) }.map(\.id)
        addAlreadyPending()
        if let taker = threads.first(where: { $0.id == takers.first }) {
            decide(takenBy: taker)
        } else {
            leavePending()
        }
        addDelays()
    }

    /// SIGKILL and SIGSTOP cannot be caught, blocked or ignored.
    private mutating func decideUnstoppable() {
        if process.isNamespaceInit && !process.isInNestedNamespace {
            outcome = .discarded
            return add(.namespaceInit, "It is PID 1 of this PID namespace: \(name) from within has no effect.")
        }
        outcome = signal == .sigkill ? .terminates : .stops
        takers = threads.map(\.id)
        if signal == .sigstop && process.isStopped { add(.stopped, "It is stopped already.") }
        addAlreadyPending()
        if signal == .sigstop { addTracer() }
        addFreezer()
        addUninterruptible(threads)
    }

    /// The kernel checks the addressed thread, which is the main thread. It keeps a signal that this thread blocks, and
    /// any signal of a traced process.
    private var isDiscardedWhenSent: Bool {
        guard process.tracer == 0, let main = process.threads.first else { return false }
        return isDiscarded && !main.blocked.contains(signal) && !main.waits(for: signal)
    }

    private var isDiscarded: Bool {
        if process.caught.contains(signal) { return false }
        if process.ignored.contains(signal) || process.isNamespaceInit { return true }
        return [.ignore, .continue].contains(DefaultAction(of: signal))
    }

    private mutating func discard() {
        outcome = .discarded
        if process.ignored.contains(signal) {
            add(
                .ignored, "It ignores \(name) (SIG_IGN), perhaps since it was started, as with nohup(1) or `command &`."
            )
        } else if [.ignore, .continue].contains(DefaultAction(of: signal)) {
            add(.ignoredByDefault, "It has no handler, and the default action of \(name) has no effect on it.")
        } else {
            let kill = process.isInNestedNamespace ? " SIGKILL from outside works." : ""
            add(
                .namespaceInit,
                "It is PID 1 of its PID namespace and has no handler for \(name): the kernel discards it. "
                    + "An init in front of it helps (docker run --init, tini, SignalInit).\(kill)")
        }
    }

    // MARK: who takes it

    private mutating func decide(takenBy taker: ThreadSnapshot) {
        if taker.waits(for: signal) {
            outcome = .accepted
            return add(.sigwait, "Thread \(taker.id) (\(taker.name)) waits for it in sigwait(3), and gets it.")
        }
        if isDiscarded { return discard() }
        if process.isInOrphanedGroup && DefaultAction.isStopOfTerminal(signal) && !process.caught.contains(signal) {
            outcome = .discarded
            return add(
                .orphanedGroup,
                "Its process group is orphaned: no shell could let it go on, so the kernel discards \(name). "
                    + "SIGSTOP stops it.")
        }
        let candidates = takers.count == 1 ? "" : ", the first of \(takers.count) that may"
        if process.caught.contains(signal) {
            outcome = .handled
            add(
                .handler,
                "Thread \(taker.id) (\(taker.name)) takes it\(candidates). The program's handler decides what "
                    + "happens: it may end the process later, or never.")
        } else {
            let action = DefaultAction(of: signal)
            outcome = action == .stop ? .stops : action == .dumpCore ? .dumpsCore : .terminates
            add(
                .defaultAction,
                "Thread \(taker.id) (\(taker.name)) takes it\(candidates). There is no handler: the kernel \(action.words)."
            )
        }
        addUnknownWaits()
    }

    private mutating func leavePending() {
        outcome = .pending
        let which = threads.count == 1 ? "Its only thread blocks" : "All \(threads.count) threads block"
        let isInherited = readers.isEmpty && !process.caught.contains(signal)
        add(
            .blocked,
            "\(which) \(name): it stays pending until the program unblocks or reads it."
                + (isInherited ? " A process inherits the mask of what started it, which may have blocked it." : ""))
        for reader in readers {
            add(.signalfd, "Descriptor \(reader.number) is a signalfd with \(name): who reads it gets the signal.")
        }
        if process.signalDescriptors == nil {
            add(.unreadable, "You may not see its descriptors: it may have a signalfd. Try as its user, or as root.")
        }
        addUnknownWaits()
    }

    private mutating func addUnknownWaits() {
        if let thread = threads.first(where: { $0.wait == .unknownSignals }) {
            add(.unreadable, "Thread \(thread.id) waits in sigwait(3); you may not see whether for \(name).")
        } else if threads.contains(where: { $0.wait == .unreadable }) {
            add(.unreadable, "You may not see whether a thread waits in sigwait(3). Try as its user, or as root.")
        }
    }

    private mutating func addAlreadyPending() {
        let isPending =
            process.pending.contains(signal) || isUnstoppable && threads.contains { $0.pending.contains(signal) }
        if !isPending { return }
        add(
            .alreadyPending,
            signal.isRealtime
                ? "At least one \(name) is pending already." : "One is pending already; another one coalesces with it.")
    }

    // MARK: what it waits for

    private mutating func addDelays() {
        if process.isStopped {
            isDelayed = true
            add(
                .stopped, "It is stopped (Ctrl-Z, SIGSTOP): \(name) stays pending until SIGCONT. SIGKILL works at once."
            )
        }
        addTracer()
        addFreezer()
        let needsAll = [.terminates, .dumpsCore, .stops].contains(outcome)
        addUninterruptible(threads.filter { needsAll || $0.id == takers.first })
        if process.queueLimit > 0 && process.queued >= process.queueLimit {
            add(.queueFull, "The signal queue of uid \(process.user) is full (\(process.queued)): details get lost.")
        }
    }

    private mutating func addTracer() {
        if process.tracer == 0 { return }
        isDelayed = isDelayed || process.state == .traced
        let stop = process.state == .traced ? ", which has stopped it," : ""
        add(.traced, "Its tracer, process \(process.tracer)\(stop) gets \(name) first, and may keep it.")
    }

    /// The freezer of version 2 does not delay a signal that ends a process without a core dump.
    private mutating func addFreezer() {
        if !process.isFrozen { return }
        let isHeldUp =
            [.handled, .accepted, .stops, .continues, .dumpsCore].contains(outcome)
            || outcome == .terminates && process.isFrozenByVersion1
        isDelayed = isDelayed || isHeldUp
        let effect =
            process.isFrozenByVersion1
            ? "no signal has an effect, not even SIGKILL."
            : "no handler runs, and no signal stops it or dumps its core."
        add(.frozen, "Its control group is frozen (docker pause): until it is thawed, \(effect)")
    }

    /// Names the threads in an uninterruptible sleep, in one reason.
    private mutating func addUninterruptible(_ threads: [ThreadSnapshot]) {
        let asleep = threads.filter { $0.state == .uninterruptible }
        guard let first = asleep.first else { return }
        let place = first.kernelFunction.map { ", in \($0)" } ?? ""
        let others = asleep.count == 1 ? " is" : " and \(asleep.count - 1) more are"
        let effect =
            switch outcome {
            case .terminates, .dumpsCore:
                "the signal waits for the end of the system call, unless the kernel lets a deadly signal break it off."
            case .nothing, .discarded: "the process stays until the system call ends."
            default: "the signal waits for the end of the system call."
            }
        isDelayed = isDelayed || [.handled, .accepted, .stops, .continues].contains(outcome)
        add(.uninterruptible, "Thread \(first.id)\(others) in an uninterruptible sleep (D\(place)): \(effect)")
    }
}

extension Verdict {
    /// The effect, in a sentence.
    var summary: String {
        let name = signal.name
        let sentence =
            switch outcome {
            case .terminates: "\(name) ends it"
            case .dumpsCore: "\(name) ends it, with a core dump"
            case .stops: "\(name) stops it"
            case .continues: "\(name) lets it go on"
            case .handled: "\(name) runs its handler"
            case .accepted: "\(name) is read by a thread"
            case .pending: "\(name) stays pending"
            case .discarded: "\(name) is discarded"
            case .nothing: "\(name) does nothing"
            }
        return isDelayed ? sentence + ", but not yet" : sentence
    }
}
