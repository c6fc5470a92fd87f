/// The reason why a signal has its effect, or none.
struct Reason: Hashable, Sendable {
    /// The reason for programs. The raw values are keys of the output for programs.
    enum Code: String, Sendable {
        case permission, otherNamespace, nestedNamespace
        case zombie, exiting, kernelThread, namespaceInit
        case blocked, ignored, ignoredByDefault, orphanedGroup, signalfd, unreadable, alreadyPending, queueFull
        case stopped, traced, frozen, uninterruptible
        case handler, defaultAction, sigwait
    }
    let code: Code
    /// A sentence or two.
    let text: String
}
