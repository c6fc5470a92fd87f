import SignalBridge

/// A process and the verdict on a signal, for people.
struct InspectionText {
    let process: ProcessSnapshot
    let verdict: Verdict
    let style: TextStyle

    var lines: [String] {
        [title] + state + dispositions + pending + threads + descriptors + conclusion
    }

    private var title: String {
        let command = process.command.isEmpty ? "[\(process.name)]" : process.command
        return style.bold("\(process.id) \(String(command.prefix(80)))")
    }

    private var state: [String] {
        let isMainThreadGone = process.state.hasEnded && !process.hasEnded
        var text = isMainThreadGone ? "its main thread has ended" : "it \(process.state.words)"
        if process.liveThreads.count > 1 { text += "; \(process.liveThreads.count) threads" }
        text += "; uid \(process.user)"
        if process.parent != 0 { text += "; parent \(process.parent)\(process.parentName.map { " (\($0))" } ?? "")" }
        if process.tracer != 0 { text += "; traced by \(process.tracer)" }
        if process.isInNestedNamespace { text += "; in its PID namespace \(process.namespaceIDs.last ?? 0)" }
        return TextLayout.row("state", text)
    }

    private var dispositions: [String] {
        TextLayout.row("catches", process.caught.description) + TextLayout.row("ignores", process.ignored.description)
    }

    private var pending: [String] {
        var parts = process.pending.ofPrograms.isEmpty ? [] : [process.pending.description]
        for thread in process.threads where !thread.pending.ofPrograms.isEmpty {
            parts.append("\(thread.pending) for thread \(thread.id)")
        }
        let queue =
            process.queueLimit == 0
            ? "" : "; queued for uid \(process.user): \(process.queued) of \(process.queueLimit)"
        return TextLayout.row("pending", (parts.isEmpty ? "nothing" : parts.joined(separator: ", ")) + queue)
    }

    /// Threads that block the same and wait for the same share a line; the main thread has its own.
    private var threads: [String] {
        var groups: [(words: String, threads: [ThreadSnapshot])] = []
        for thread in process.liveThreads {
            let words = Self.words(for: thread)
            if thread.id != process.id,
                let index = groups.firstIndex(where: { $0.words == words && !isMain($0.threads) })
            {
                groups[index].threads.append(thread)
            } else {
                groups.append((words, [thread]))
            }
        }
        var lines: [String] = []
        for (index, group) in groups.enumerated() {
            lines += TextLayout.row(index == 0 ? "threads" : "", Self.label(group.threads) + group.words)
        }
        return lines
    }

    private func isMain(_ threads: [ThreadSnapshot]) -> Bool { threads.first?.id == process.id }

    private static func label(_ threads: [ThreadSnapshot]) -> String {
        if threads.count == 1 { return "\(threads[0].id) (\(threads[0].name)) " }
        let shown = threads.prefix(6).map { String($0.id) }.joined(separator: " ")
        return (threads.count > 6 ? "\(shown) and \(threads.count - 6) more" : shown) + ": each "
    }

    private static func words(for thread: ThreadSnapshot) -> String {
        let isNotable = ![.running, .sleeping, .idle].contains(thread.state)
        let state = isNotable ? "\(thread.state.words); " : ""
        let wait =
            switch thread.wait {
            case .signals(let signals): "; waits in sigwait(3) for \(signals)"
            case .unknownSignals: "; waits in sigwait(3)"
            case .none, .unreadable: ""
            }
        return "\(state)blocks \(thread.blocked)\(wait)"
    }

    private var descriptors: [String] {
        (process.signalDescriptors ?? []).flatMap {
            TextLayout.row("signalfd", "descriptor \($0.number): \($0.signals)")
        }
    }

    private var conclusion: [String] {
        let isRefused = verdict.has(.permission)
        let works = verdict.outcome == .terminates && !verdict.isDelayed && !isRefused && !verdict.has(.uninterruptible)
        let summary = isRefused ? verdict.summary + ", but not from you" : verdict.summary
        var lines = [works ? style.good(summary + ".") : style.warning(summary + ".")]
        for reason in verdict.reasons {
            let wrapped = TextLayout.wrap(reason.text, to: TextLayout.width - 4)
            lines += wrapped.enumerated().map { ($0 == 0 ? "  - " : "    ") + $1 }
        }
        return lines
    }
}
