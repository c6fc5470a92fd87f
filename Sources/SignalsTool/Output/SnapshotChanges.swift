import SignalBridge

/// The changes between two snapshots of a process, in sentences.
struct SnapshotChanges {
    private(set) var sentences: [String] = []

    /// Changes between running and waiting are left out, because they are frequent.
    init(from old: ProcessSnapshot, to new: ProcessSnapshot) {
        addState(old, new)
        add("catches", "no longer catches", from: old.caught, to: new.caught)
        add("ignores", "no longer ignores", from: old.ignored, to: new.ignored)
        addPending("for the process", from: old.pending, to: new.pending)
        addThreads(old, new)
        addDescriptors(old, new)
        if old.tracer != new.tracer {
            sentences.append(new.tracer == 0 ? "is no longer traced" : "is traced by \(new.tracer)")
        }
        if old.isFrozen != new.isFrozen { sentences.append(new.isFrozen ? "is frozen" : "is thawed") }
    }

    private static func isAlive(_ state: RunState) -> Bool {
        [.running, .sleeping, .idle, .uninterruptible].contains(state)
    }

    private mutating func addState(_ old: ProcessSnapshot, _ new: ProcessSnapshot) {
        let (was, state) = (old.liveState, new.liveState)
        let goesOn = Self.isAlive(was) && Self.isAlive(state)
        if was == state || goesOn || new.hasEnded { return }
        sentences.append(Self.isAlive(state) ? "goes on" : state.words)
    }

    private mutating func add(_ verb: String, _ noLonger: String, from old: SignalSet, to new: SignalSet) {
        let (more, less) = (new.subtracting(old).ofPrograms, old.subtracting(new).ofPrograms)
        if !more.isEmpty { sentences.append("\(verb) \(more)") }
        if !less.isEmpty { sentences.append("\(noLonger) \(less)") }
    }

    private mutating func addPending(_ place: String, from old: SignalSet, to new: SignalSet) {
        let (more, less) = (new.subtracting(old).ofPrograms, old.subtracting(new).ofPrograms)
        if !more.isEmpty { sentences.append("\(more) pending \(place)") }
        if !less.isEmpty { sentences.append("\(less) no longer pending \(place)") }
    }

    private mutating func addThreads(_ old: ProcessSnapshot, _ new: ProcessSnapshot) {
        let before = Dictionary(uniqueKeysWithValues: old.liveThreads.map { ($0.id, $0) })
        let after = Dictionary(uniqueKeysWithValues: new.liveThreads.map { ($0.id, $0) })
        for thread in old.liveThreads where after[thread.id] == nil && !new.hasEnded {
            sentences.append("thread \(thread.id) (\(thread.name)) has ended")
        }
        for thread in new.liveThreads {
            guard let was = before[thread.id] else {
                sentences.append("thread \(thread.id) (\(thread.name)) has started, and blocks \(thread.blocked)")
                continue
            }
            let name = "thread \(thread.id)"
            add("\(name) blocks", "\(name) no longer blocks", from: was.blocked, to: thread.blocked)
            addPending("for \(name)", from: was.pending, to: thread.pending)
            if case .signals(let signals) = thread.wait, was.wait != thread.wait {
                sentences.append("\(name) waits in sigwait(3) for \(signals)")
            }
        }
    }

    private mutating func addDescriptors(_ old: ProcessSnapshot, _ new: ProcessSnapshot) {
        let (before, after) = (old.signalDescriptors ?? [], new.signalDescriptors ?? [])
        for descriptor in after where !before.contains(descriptor) {
            sentences.append("descriptor \(descriptor.number) is a signalfd: \(descriptor.signals)")
        }
        for descriptor in before where !after.contains(where: { $0.number == descriptor.number }) && !new.hasEnded {
            sentences.append("descriptor \(descriptor.number) is no longer a signalfd")
        }
    }
}
