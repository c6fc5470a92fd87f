extension ShutdownStateMachine {
    /// What is to be done. The caller carries it out in this order.
    enum Action {
        /// Starts work that was registered: an action or a clean-up.
        case start(Int)
        case startReload(Int)
        case cancel(Int)
        /// `shutdownRequested()` returns; for work that comes after other work, by `tell`.
        case signalShutdown
        case tell(Int)
        case announce(DaemonTransition)
        /// Everything of the old body has ended: start the new body as this work.
        case startBody(Int)
        /// Reloads up to this number have ended, with this error.
        case reloadEnded(Int, (any Error)?)
        /// The callers of `reload()` that still wait are not to wait: work that a shutdown or a restart waits for may be one.
        static var endOfRequests: Action { .reloadEnded(.max, CancellationError()) }
        case finish
        case force(ForcedExitReason)
    }
}
