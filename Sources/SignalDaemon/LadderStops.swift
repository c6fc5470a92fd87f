import SignalBridge

/// What asks for the end: signals, requests, time.
extension Ladder {
    mutating func signal(_ event: SignalEvent, at now: Duration) -> [Action] {
        if isOver { return [] }
        if policy.reload.contains(event.signal) { return reloadSignal(event, at: now) }
        let isHard = policy.hardExit.contains(event.signal)
        let isFirst = summary.signals.isEmpty
        if summary.signals.count < 16 { summary.signals.append(event) }
        guard purpose == .shutdown else {
            if isHard { summary.hardExit = event }
            return [.announce(.received(event, isHard ? .stoppedImmediately : .beganShutdown))]
                + stop(.signal(event), isHard: isHard, at: now) + settle(at: now)
        }
        if isFirst && !isHard { return [.announce(.received(event, .joinedShutdown))] }
        if isFirst || (policy.secondSignal == .escalate && phase == .draining) {
            if isHard { summary.hardExit = event }
            var actions: [Action] = [.announce(.received(event, isHard ? .stoppedImmediately : .escalated))]
            if phase == .draining { actions += enter(.cancelling, at: now) } else { hurry(at: now) }
            return actions + settle(at: now)
        }
        return [.announce(.received(event, .forcedExit))] + force(.signal(event), at: now)
    }

    /// A hard exit comes to a phase that runs: its period is the hard exit's from here on.
    private mutating func hurry(at now: Duration) {
        let end = now + period(of: phase)
        phaseDeadline = phaseDeadline.map { min($0, end) }
        hookDeadline = hookDeadline.map { min($0, now + period(of: phase) / (hooks.count + 2)) }
    }

    mutating func shutdown(_ cause: ShutdownReason, at now: Duration) -> [Action] {
        if isOver { return [] }
        guard purpose == .shutdown else { return stop(cause, at: now) + settle(at: now) }
        // Whoever waits for the daemon was cancelled: it does not wait for draining.
        guard cause == .cancelled, phase == .draining else { return [] }
        return enter(.cancelling, at: now) + settle(at: now)
    }

    mutating func stop(_ cause: ShutdownReason, isHard: Bool = false, at now: Duration) -> [Action] {
        let interrupted = purpose  // .none or .restart
        purpose = .shutdown
        summary.reason = cause
        var actions: [Action] = []
        for id in live.keys.sorted() where live[id]!.kind == nil { actions += cancel(id) }  // a reload
        if interrupted == .restart, phase == .cancelling || phase == .cleaningUp {
            return actions + enter(phase, at: now)  // as far as it is, with the time of a shutdown
        }
        return actions + enter(isHard || cause == .cancelled ? .cancelling : .draining, at: now)
    }

    mutating func force(_ reason: ForcedExitReason, at now: Duration) -> [Action] {
        summary.times[phase, default: .zero] += now - phaseSince
        summary.forcedExit = reason
        let left = live.sorted { $0.key < $1.key }.map(\.value) + hooks.reversed().map { waiting[$0]! }
        for entry in left {
            guard let kind = entry.kind else { continue }
            summary.tasks.append(
                DaemonTask(name: entry.name, kind: kind, outcome: .abandoned, duration: now - entry.since))
        }
        isOver = true
        phaseDeadline = nil
        hookDeadline = nil
        return [.announce(.forced(reason, abandoned: left.map(\.name))), .force(reason)]
    }

    // MARK: time

    mutating func tick(at now: Duration) -> [Action] {
        var actions: [Action] = []
        while !isOver, let deadline, deadline <= now {
            if let due = hookDeadline, due <= now, phaseDeadline.map({ due < $0 }) ?? true {
                hookDeadline = nil
                if let hook = runningHook {
                    runningHook = nil
                    actions.append(.announce(.timedOut(hook: live[hook]!.name)))
                    actions += cancel(hook)
                }
                actions += settle(at: now)
            } else if phase == .draining {
                actions += enter(.cancelling, at: now) + settle(at: now)
            } else if purpose == .restart {
                phaseDeadline = nil
                if !hasWarned { actions.append(.announce(.restartWaits(for: live.values.map(\.name).sorted()))) }
                hasWarned = true
            } else {
                actions += force(.deadline(phase), at: now)
            }
        }
        return actions
    }

    func period(of phase: DaemonPhase) -> Duration {
        let period =
            switch phase {
            case .running, .draining: policy.gracePeriod
            case .cancelling: policy.cancelPeriod
            case .cleaningUp: policy.cleanupPeriod
            }
        return max(.zero, summary.hardExit == nil ? period : min(period, policy.hardExitPeriod))
    }
}
