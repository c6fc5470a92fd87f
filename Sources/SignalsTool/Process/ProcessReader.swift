import SignalBridge

/// Reads a process from `/proc`. It reads the files one after the other, so the result may mix two states of a process
/// that changes meanwhile.
struct ProcessReader {
    let id: Int32
    let signal: SignalNumber
    private var directory: String { "/proc/\(id)" }

    /// - Parameters:
    ///   - id: a pid, or the id of any thread of the process.
    ///   - signal: the signal for which to read. Facts that matter only for other signals may be left out.
    /// - Throws: ``InspectionError``.
    static func read(_ id: Int32, for signal: SignalNumber = .sigterm) throws(InspectionError) -> ProcessSnapshot {
        #if os(Linux) || os(Android)
            let status = try statusFile(of: id)
            return try ProcessReader(id: status.number("Tgid") ?? id, signal: signal).read()
        #else
            throw .notLinux
        #endif
    }

    private static func statusFile(of id: Int32) throws(InspectionError) -> StatusFile {
        let path = "/proc/\(id)/status"
        do {
            return StatusFile(try ProcFiles.text(path))
        } catch {
            guard error.isGone else { throw .unreadable(path: path, reason: error.text) }
            if (try? ProcFiles.bytes("/proc/stat")) == nil { throw .noProcFileSystem }
            let isThere = ProcFiles.isOfOwnNamespace && ProcFiles.checkPermission(id)?.isGone != true
            throw isThere ? .hidden(id) : .noSuchProcess(id)
        }
    }

    private func read() throws(InspectionError) -> ProcessSnapshot {
        let status = try Self.statusFile(of: id)
        var process = ProcessSnapshot(id: id, name: status.text("Name") ?? "?", state: status.state)
        process.command = command
        process.parent = status.number("PPid") ?? 0
        process.parentName = (try? Self.statusFile(of: process.parent))?.text("Name")
        process.tracer = status.number("TracerPid") ?? 0
        process.user = status.number("Uid") ?? 0
        process.namespaceIDs = status.numbers("NSpid")
        process.caught = status.signals("SigCgt")
        process.ignored = status.signals("SigIgn")
        process.pending = status.signals("ShdPnd")
        let queue: [Int] = status.numbers("SigQ")
        (process.queued, process.queueLimit) = queue.count == 2 ? (queue[0], queue[1]) : (0, 0)
        if let stat = (try? ProcFiles.text("\(directory)/stat")).flatMap({ StatFile($0) }) {
            process.isKernelThread = stat.isKernelThread
            process.isExiting = stat.isExiting
            process.startTime = stat.startTime
            let isConcerned = DefaultAction.isStopOfTerminal(signal)
            process.isInOrphanedGroup = isConcerned && ProcessTable.read().isOrphaned(stat.group)
        }
        process.threads = threads()
        guard let main = process.threads.first else { throw .noSuchProcess(id) }
        process.state = main.state  // of the same moment as those of the other threads
        process.signalDescriptors = process.hasEnded ? [] : signalDescriptors()
        let groups = ((try? ProcFiles.text("\(directory)/cgroup")) ?? "").split(separator: "\n")
        process.isFrozenByVersion1 = groups.contains { isFrozen(by: $0, version: 1) }
        process.isFrozen = process.isFrozenByVersion1 || groups.contains { isFrozen(by: $0, version: 2) }
        if ProcFiles.isOfOwnNamespace {
            let refusal = ProcFiles.checkPermission(id)
            if let refusal, refusal.isGone { throw .noSuchProcess(id) }
            process.isPermitted = refusal == nil
            process.isOfOwnSession = ProcFiles.isOfOwnSession(id)
        }
        return process
    }

    private var command: String {
        let bytes = (try? ProcFiles.text("\(directory)/cmdline")) ?? ""
        return bytes.split { $0 == "\0" || $0 == "\n" }.joined(separator: " ")
    }

    /// The threads that have not ended, and the main thread while the process exists. The main thread comes first.
    private func threads() -> [ThreadSnapshot] {
        let ids = (try? ProcFiles.numbers(in: "\(directory)/task")) ?? []
        return (ids.filter { $0 == id } + ids.filter { $0 != id }).compactMap(thread)
    }

    private func thread(_ thread: Int32) -> ThreadSnapshot? {
        let directory = "\(directory)/task/\(thread)"
        guard let status = (try? ProcFiles.text("\(directory)/status")).map({ StatusFile($0) }) else { return nil }
        let reader = ThreadWaitReader(directory: directory)
        let isAsleep = status.state == .sleeping
        return ThreadSnapshot(
            id: thread, name: status.text("Name") ?? "?", state: status.state, blocked: status.signals("SigBlk"),
            pending: status.signals("SigPnd"), wait: isAsleep ? reader.signalWait : .none,
            kernelFunction: status.state == .uninterruptible ? reader.kernelFunction : nil)
    }

    private func signalDescriptors() -> [SignalDescriptor]? {
        guard let numbers = try? ProcFiles.numbers(in: "\(directory)/fdinfo") else { return nil }
        return numbers.compactMap { number in
            guard let text = try? ProcFiles.text("\(directory)/fdinfo/\(number)") else { return nil }
            let file = StatusFile(text)
            return file.text("sigmask") == nil
                ? nil : SignalDescriptor(number: number, signals: file.signals("sigmask"))
        }
    }

    /// Searches where distributions mount control groups of both versions.
    /// - Parameter group: a line of the process's `cgroup` file.
    private func isFrozen(by group: Substring, version: Int) -> Bool {
        let parts = group.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[1].isEmpty == (version == 2) else { return false }
        func file(_ mount: String, _ name: String) -> String {
            (try? ProcFiles.text("/sys/fs/cgroup\(mount)\(parts[2])/\(name)")) ?? ""
        }
        if version == 2 { return ["", "/unified"].contains { file($0, "cgroup.events").contains("frozen 1") } }
        return parts[1].split(separator: ",").contains("freezer")
            && file("/freezer", "freezer.state").hasPrefix("FROZEN")
    }
}
