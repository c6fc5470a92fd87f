import SignalBridge

/// A snapshot of a process from `/proc`: what it does with signals, and what may delay one.
struct ProcessSnapshot: Hashable, Sendable {
    var id: Int32
    var name: String
    /// The arguments, separated by spaces; empty for a zombie and for a thread of the kernel.
    var command = ""
    var state: RunState
    var parent: Int32 = 0
    var parentName: String?
    /// The process that traces this one, such as a debugger; 0: none.
    var tracer: Int32 = 0
    /// The real user id.
    var user: UInt32 = 0
    /// The pids, from the namespace of `/proc` to the innermost one: `NSpid`.
    var namespaceIDs: [Int32] = []
    var isKernelThread = false
    /// Whether the process has begun to exit.
    var isExiting = false
    /// Whether a control group has frozen it, as `docker pause` does.
    var isFrozen = false
    /// Whether the freezer of control groups of version 1 did, which delays even SIGKILL.
    var isFrozenByVersion1 = false
    /// Whether no process outside its process group could continue it after a stop; read only for such stops.
    var isInOrphanedGroup = false
    /// The time of its start, in clock ticks since the boot, which a later process with the same pid does not have.
    var startTime: UInt64 = 0

    var caught = SignalSet()
    var ignored = SignalSet()
    /// `ShdPnd`: the signals that are pending for the process, and that any thread may take.
    var pending = SignalSet()
    /// The number of signals that are queued for all processes of the user, and its limit: `SigQ`.
    var queued = 0
    var queueLimit = 0
    /// The main thread is the first one.
    var threads: [ThreadSnapshot] = []
    /// `nil` if this program may not see them.
    var signalDescriptors: [SignalDescriptor]?
    /// Whether this program may send the process a signal; `nil` if that is not known.
    var isPermitted: Bool?
    /// Whether it is in the session of this program, which may then always send it SIGCONT.
    var isOfOwnSession = false

    /// The threads that can still take a signal.
    var liveThreads: [ThreadSnapshot] { threads.filter { !$0.state.hasEnded } }

    /// Whether it has ended, and its parent has not waited for it.
    var hasEnded: Bool { liveThreads.isEmpty && state.hasEnded }

    /// The state of the first thread that has not ended. It is the state of the process if its main thread has ended.
    var liveState: RunState { liveThreads.first?.state ?? state }

    /// Whether SIGSTOP, or another stop signal, has stopped it. One thread may show this before the others.
    var isStopped: Bool { state == .stopped || threads.contains { $0.state == .stopped } }

    /// Whether it is the first process of a PID namespace, to which the kernel gives no default action.
    var isNamespaceInit: Bool { namespaceIDs.last == 1 }

    /// Whether it is in a PID namespace below the one of `/proc`.
    var isInNestedNamespace: Bool { namespaceIDs.count > 1 }
}
