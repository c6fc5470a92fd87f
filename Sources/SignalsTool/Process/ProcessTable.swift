/// The processes that `/proc` shows, with their parents, process groups and sessions.
struct ProcessTable {
    let processes: [Int32: StatFile]
    /// Whether PID 1 is the init of the kernel. The PID 1 of another namespace is a parent like any other.
    let hasKernelInit: Bool

    static func read() -> ProcessTable {
        let files = ((try? ProcFiles.numbers(in: "/proc")) ?? []).compactMap { id in
            (try? ProcFiles.text("/proc/\(id)/stat")).flatMap { StatFile($0) }.map { (id, $0) }
        }
        return ProcessTable(
            processes: Dictionary(uniqueKeysWithValues: files), hasKernelInit: ProcFiles.isInFirstNamespace)
    }

    /// Whether no member has a parent in another group of the same session, as the kernel's `will_become_orphaned_pgrp`
    /// has it. A parent that `/proc` hides counts, and so does the parent of a group of another PID namespace.
    func isOrphaned(_ group: Int32) -> Bool {
        group != 0
            && !processes.values.contains { member in
                if member.group != group || member.hasEnded || member.parent == 0 { return false }
                if member.parent == 1 && hasKernelInit { return false }
                guard let parent = processes[member.parent] else { return true }
                return parent.group != group && parent.session == member.session
            }
    }
}
