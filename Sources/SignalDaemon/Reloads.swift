import SignalBridge

/// Reloads, one at a time: what comes during one leads to exactly one more.
struct Reloads {
    var isPossible: Bool
    /// From the start until the first configuration is there, or from a signal until all is done, restart included.
    var isRunning: Bool
    var again = false
}

extension Ladder {
    mutating func reloadSignal(_ event: SignalEvent, at now: Duration) -> [Action] {
        if purpose == .shutdown || !reloads.isPossible { return [.announce(.received(event, .ignoredDuringShutdown))] }
        let response: DaemonTransition.Response = reloads.isRunning ? .queuedReload : .beganReload
        if reloads.isRunning && reloads.again { return [] }  // nothing new
        return [.announce(.received(event, response))] + reload(at: now)
    }

    mutating func reload(at now: Duration) -> [Action] {
        guard !isOver, purpose != .shutdown, reloads.isPossible else { return [] }
        if reloads.isRunning {
            reloads.again = true
            return []
        }
        reloads.isRunning = true
        return [.announce(.reloading), .startReload(addReload(at: now))]
    }

    /// The work of a reload has ended: loading, and applying, if it is applied.
    mutating func reloadEnded(_ outcome: DaemonTask.Outcome, at now: Duration) -> [Action] {
        if case .failed(let error) = outcome {
            summary.record(failedReload: error)
            return [.announce(.reloadFailed(error))] + reloadIsOver(at: now)
        }
        guard case .finished = outcome else { return reloadIsOver(at: now) }
        if purpose == .shutdown && restarts { return reloadIsOver(at: now) }  // loaded, and never used
        if restarts { return beginRestart(at: now) }
        summary.reloads += 1
        return [.announce(.reloaded)] + reloadIsOver(at: now)
    }

    /// The first configuration is there.
    mutating func loaded(at now: Duration) -> [Action] {
        isLoading = false
        return purpose == .shutdown || isOver ? [] : [.announce(.started)] + reloadIsOver(at: now)
    }

    /// The new body starts.
    mutating func restarted(at now: Duration) -> [Action] {
        summary.reloads += 1
        return [.announce(.reloaded)] + reloadIsOver(at: now)
    }

    private mutating func reloadIsOver(at now: Duration) -> [Action] {
        reloads.isRunning = false
        guard reloads.again else { return [] }
        reloads.again = false
        return reload(at: now)
    }
}
