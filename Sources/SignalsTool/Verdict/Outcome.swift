/// The final effect of a signal. The raw values are keys of the output for programs.
enum Outcome: String, Sendable {
    /// The default action ends the process.
    case terminates
    /// The default action ends it, with a core dump if limits allow that.
    case dumpsCore
    case stops
    /// The process was stopped, and continues.
    case continues
    /// A handler of the program runs.
    case handled
    /// A thread that waits in `sigwait(3)` gets it.
    case accepted
    /// It stays pending until a thread unblocks it or reads it.
    case pending
    /// The kernel drops it.
    case discarded
    /// The process is ending or has ended, so there is no effect.
    case nothing
}
