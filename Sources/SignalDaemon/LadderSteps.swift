import SignalBridge

/// The steps of the ladder: what is told, cancelled, started and waited for on each.
extension Ladder {
    mutating func enter(_ next: DaemonPhase, at now: Duration) -> [Action] {
        var next = next
        if next == .draining, period(of: .draining) == .zero { next = .cancelling }
        summary.times[phase, default: .zero] += now - phaseSince
        phase = next
        phaseSince = now
        phaseDeadline = now + min(period(of: next), .seconds(1 << 40))
        var actions: [Action] = [.announce(.entered(next, summary.reason))]
        if !isTold {
            isTold = true
            actions.append(.tell)
            if next == .cleaningUp {  // all is done: there is nothing that could be told to end
                for id in self.actions { waiting[id] = nil }
                self.actions = []
            }
            actions += startActions(at: now)
        }
        for (id, entry) in live.sorted(by: { $0.key < $1.key }) where entry.kind != .hook {
            if next == .cancelling
                ? entry.style != .complete : next == .draining && (entry.style == .cancel || isLoading)
            {
                actions += cancel(id)
            }
        }
        return actions
    }

    mutating func startActions(at now: Duration) -> [Action] {
        defer { actions = [] }
        return actions.map { id in start(id, at: now) }
    }

    mutating func start(_ id: Int, at now: Duration) -> Action {
        live[id] = waiting.removeValue(forKey: id)!
        live[id]!.since = now
        return .start(id)
    }

    mutating func cancel(_ id: Int) -> [Action] {
        if live[id]!.isCancelled { return [] }
        live[id]!.isCancelled = true
        return [.cancel(id)]
    }

    mutating func settle(at now: Duration) -> [Action] {
        if isOver { return [] }
        var actions: [Action] = []
        if phase == .running {
            guard !live.values.contains(where: { $0.kind != nil }) else { return [] }
            purpose = .shutdown  // all is done; a reload that still runs is cut short
            summary.reason = .finished
            for id in live.keys.sorted() { actions += cancel(id) }
            if !live.isEmpty { return actions + enter(.cancelling, at: now) }
        }
        if phase != .cleaningUp {
            if live.values.contains(where: { $0.kind != .hook }) { return actions }
            actions += enter(.cleaningUp, at: now)
        }
        if runningHook == nil, let next = hooks.popLast() {
            actions.append(start(next, at: now))
            runningHook = next
            let left = phaseDeadline.map { $0 - now } ?? period(of: .cleaningUp)
            hookDeadline = now + left / (hooks.count + 2)
        }
        if live.isEmpty { actions += purpose == .restart ? restart(at: now) : finish(at: now) }
        return actions
    }

    mutating func finish(at now: Duration) -> [Action] {
        summary.times[phase, default: .zero] += now - phaseSince
        isOver = true
        phaseDeadline = nil
        return [.announce(.finished(summary.exitStatus)), .finish]
    }

    // MARK: restart

    /// The new configuration is loaded: the old body makes way.
    mutating func beginRestart(at now: Duration) -> [Action] {
        purpose = .restart
        summary.reason = .restart
        return enter(.draining, at: now)  // `settle` follows
    }

    mutating func restart(at now: Duration) -> [Action] {
        summary.times[phase, default: .zero] += now - phaseSince
        phase = .running
        purpose = .none
        phaseSince = now
        phaseDeadline = nil
        isTold = false
        hasWarned = false
        generation += 1
        let id = newID()
        live[id] = Entry(name: "body", kind: .body, since: now)
        return [.announce(.started), .restart(id)] + restarted(at: now)
    }
}
