import SignalBridge

/// Prints a process, and then each change, until the process ends or a signal ends this program.
struct Watch {
    let process: Int32
    let signal: SignalNumber
    let interval: Duration
    let json: Bool

    /// - Returns: the signal that ended the watch; `nil` if the process ended.
    func run() throws -> SignalNumber? {
        let waiter = try SignalWaiter(.sigint, .sigterm, .sighup, options: .keepIgnored)
        var last = try ProcessReader.read(process, for: signal)
        show(last)
        while !last.hasEnded {
            if let event = waiter.next(timeout: interval) { return event.signal }
            do {
                let next = try ProcessReader.read(last.id, for: signal)
                if next.startTime != last.startTime { break }  // another process has the pid
                show(next, after: last)
                last = next
            } catch {
                if error == .noSuchProcess(last.id) { break }
                throw error
            }
        }
        end(last)
        return nil
    }

    private func show(_ first: ProcessSnapshot) {
        let verdict = Verdict(for: signal, in: first)
        if json { return Terminal.print([JSON(first, verdict).text]) }
        let lines = InspectionText(process: first, verdict: verdict, style: Terminal.style).lines
        let milliseconds = interval.components.seconds * 1000 + interval.components.attoseconds / 1_000_000_000_000_000
        Terminal.print(lines + [Terminal.style.dim("watching every \(milliseconds) ms; Ctrl-C ends this")])
    }

    private func show(_ next: ProcessSnapshot, after last: ProcessSnapshot) {
        var changes = SnapshotChanges(from: last, to: next).sentences
        let (was, verdict) = (Verdict(for: signal, in: last), Verdict(for: signal, in: next))
        if was.summary != verdict.summary && !next.hasEnded { changes.append("now \(verdict.summary)") }
        if changes.isEmpty { return }
        if json { return Terminal.print([JSON(next, verdict).text]) }
        let clock = Terminal.style.dim(Terminal.clock)
        Terminal.print(changes.map { "\(clock)  \($0)" })
    }

    private func end(_ last: ProcessSnapshot) {
        if json {
            let ended = JSON.object([("pid", JSON(last.id)), ("name", .string(last.name)), ("state", .string("ended"))])
            return Terminal.print([ended.text])
        }
        let wait = last.hasEnded ? ", and its parent \(last.parent) has not waited for it" : ""
        Terminal.print(["\(Terminal.style.dim(Terminal.clock))  process \(last.id) has ended\(wait)"])
    }
}
