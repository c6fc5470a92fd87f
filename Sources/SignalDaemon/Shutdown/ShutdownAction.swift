extension ShutdownStateMachine {
    /// An action for the caller, which carries actions out in order.
    enum Action {
        /// Starts work that was registered: an action or a clean-up.
        case start(Int)
        case startReload(Int)
        case cancel(Int)
        /// `shutdownRequested()` returns, except in work that comes after other work: see `tell`.
        case signalShutdown
        case tell(Int)
        case announce(DaemonTransition)
        /// Everything of the old body has ended: start the new body as this work.
        case startBody(Int)
        /// Reloads up to this number have ended, with this error.
        case reloadEnded(Int, (any Error)?)
        /// The callers of `reload()` stop waiting, because a shutdown or a restart may wait for one of them.
        static var endOfRequests: Action { .reloadEnded(.max, CancellationError()) }
        case finish
        case force(ForcedExitReason)
    }
}
