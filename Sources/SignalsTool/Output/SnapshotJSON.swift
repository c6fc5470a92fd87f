import SignalBridge

// The keys are those that signals(1) lists. A key stays, and keeps its meaning; later versions may add more.

extension JSON {
    init(_ signals: SignalSet) {
        self = .array(signals.ofPrograms.signals.map { .string($0.name) })
    }

    init(_ process: ProcessSnapshot) {
        self = .object([
            ("pid", JSON(process.id)),
            ("name", .string(process.name)),
            ("command", .string(process.command)),
            ("state", .string(process.state.name)),
            ("uid", JSON(process.user)),
            ("parent", JSON(process.parent)),
            ("tracer", process.tracer == 0 ? .null : JSON(process.tracer)),
            ("namespacePids", .array(process.namespaceIDs.map { JSON($0) })),
            ("frozen", .bool(process.isFrozen)),
            ("permitted", process.isPermitted.map(JSON.bool) ?? .null),
            ("caught", JSON(process.caught)),
            ("ignored", JSON(process.ignored)),
            ("pending", JSON(process.pending)),
            ("queued", JSON(process.queued)),
            ("queueLimit", JSON(process.queueLimit)),
            ("threads", .array(process.threads.map { JSON($0) })),
            ("signalfds", process.signalDescriptors.map { .array($0.map { JSON($0) }) } ?? .null),
        ])
    }

    private init(_ thread: ThreadSnapshot) {
        let waitsFor: JSON =
            switch thread.wait {
            case .none: .array([])
            case .signals(let signals): JSON(signals)
            case .unknownSignals, .unreadable: .null
            }
        self = .object([
            ("tid", JSON(thread.id)),
            ("name", .string(thread.name)),
            ("state", .string(thread.state.name)),
            ("blocked", JSON(thread.blocked)),
            ("pending", JSON(thread.pending)),
            ("waitsFor", waitsFor),
        ])
    }

    private init(_ descriptor: SignalDescriptor) {
        self = .object([("fd", JSON(descriptor.number)), ("signals", JSON(descriptor.signals))])
    }

    init(_ verdict: Verdict) {
        self = .object([
            ("signal", .string(verdict.signal.name)),
            ("number", JSON(verdict.signal.rawValue)),
            ("outcome", .string(verdict.outcome.rawValue)),
            ("delayed", .bool(verdict.isDelayed)),
            ("takers", .array(verdict.takers.map { JSON($0) })),
            ("summary", .string(verdict.summary)),
            (
                "reasons",
                .array(
                    verdict.reasons.map {
                        .object([("code", .string($0.code.rawValue)), ("text", .string($0.text))])
                    })
            ),
        ])
    }

    /// The process with the verdict on a signal.
    init(_ process: ProcessSnapshot, _ verdict: Verdict) {
        guard case .object(let entries) = JSON(process) else { preconditionFailure("a process is an object") }
        self = .object(entries + [("verdict", JSON(verdict))])
    }

    init(_ explanation: Explanation) {
        self = .object([
            ("signal", .string(explanation.signal.name)),
            ("number", JSON(explanation.signal.rawValue)),
            ("defaultAction", .string(explanation.defaultAction.rawValue)),
            ("catchable", .bool(explanation.isCatchable)),
            ("subscribable", .bool(explanation.isSubscribable)),
            ("reserved", .bool(explanation.isReserved)),
            ("sentBy", .string(explanation.facts.sentBy)),
            ("policies", .object(explanation.policies.map { ($0.name, .string($0.meaning.rawValue)) })),
            ("manual", .array(explanation.manualPages.map(JSON.string))),
        ])
    }
}
