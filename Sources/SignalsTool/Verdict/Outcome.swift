/// What becomes of a signal in the end. The raw values are keys of the output for programs.
enum Outcome: String, Sendable {
    /// The default action ends the process.
    case terminates
    /// The default action ends it, with a core dump if limits allow that.
    case dumpsCore
    case stops
    /// The process was stopped, and goes on.
    case continues
    /// A handler of the program's runs.
    case handled
    /// A thread that waits in `sigwait(3)` gets it.
    case accepted
    /// It stays pending until a thread unblocks it or reads it.
    case pending
    /// The kernel drops it.
    case discarded
    /// The process ends or has ended, and nothing happens.
    case nothing
}
