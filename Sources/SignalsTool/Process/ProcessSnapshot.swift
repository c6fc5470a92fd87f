import SignalBridge

/// A process as `/proc` showed it: what it does with signals, and what may hold one up.
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
    /// The pids from the namespace of `/proc` inwards: `NSpid`.
    var namespaceIDs: [Int32] = []
    var isKernelThread = false
    /// Whether the process has begun to exit.
    var isExiting = false
    /// Whether a control group has frozen it, as `docker pause` does.
    var isFrozen = false
    /// Whether the freezer of control groups of version 1 did, which holds up SIGKILL, too.
    var isFrozenByVersion1 = false
    /// Whether no process outside its process group could let it go on after a stop; read for such stops only.
    var isInOrphanedGroup = false
    /// When it started, in clock ticks since the boot: tells it from a later process with the same pid.
    var startTime: UInt64 = 0

    var caught = SignalSet()
    var ignored = SignalSet()
    /// `ShdPnd`: what is pending for the process, and any thread may take.
    var pending = SignalSet()
    /// How many signals are queued for all processes of the user, and how many may be: `SigQ`.
    var queued = 0
    var queueLimit = 0
    /// The main thread is the first one.
    var threads: [ThreadSnapshot] = []
    /// `nil` if the kernel does not let the reader see them.
    var signalDescriptors: [SignalDescriptor]?
    /// Whether the reader may send this process a signal; `nil` if that is not known.
    var isPermitted: Bool?
    /// Whether it is in the session of the reader, which may send it SIGCONT in any case.
    var isOfOwnSession = false

    /// The threads that can still take a signal.
    var liveThreads: [ThreadSnapshot] { threads.filter { !$0.state.hasEnded } }

    /// Whether all of it has ended, and only the parent's wait is missing.
    var hasEnded: Bool { liveThreads.isEmpty && state.hasEnded }

    /// The state of the first thread that has not ended: that of the process, when its main thread has ended.
    var liveState: RunState { liveThreads.first?.state ?? state }

    /// Whether SIGSTOP or a relative has stopped it. One thread may show it before the others.
    var isStopped: Bool { state == .stopped || threads.contains { $0.state == .stopped } }

    /// Whether it is the first process of a PID namespace, to which the kernel gives no default action.
    var isNamespaceInit: Bool { namespaceIDs.last == 1 }

    /// Whether it is in a PID namespace below the one of `/proc`.
    var isInNestedNamespace: Bool { namespaceIDs.count > 1 }
}
