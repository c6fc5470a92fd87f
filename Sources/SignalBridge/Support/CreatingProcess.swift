import CSignalShim

/// Tells whether the calling process is the one in which this value was made, and not a forked child of it.
///
/// The Swift runtime does not support `fork(2)` without `exec`: in the child, a lock may be held for ever by a thread
/// that the child does not have. Objects of the parent compare before they take a lock, and then do nothing.
struct CreatingProcess: Sendable {
    private let id = CreatingProcess.currentID

    var isCurrent: Bool { id == Self.currentID }

    /// The pid of the calling process, as a rule without a system call.
    static var currentID: pid_t {
        let owner = csigshim_owner()
        return owner != 0 ? owner : currentProcessID()
    }
}
