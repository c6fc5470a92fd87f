#if ServiceLifecycle
    /// The effect on the daemon if a service returns before a shutdown was requested. With the trait
    /// `ServiceLifecycle`.
    public enum ReturnBehavior: Hashable, Sendable {
        /// The service has failed, with ``ServiceReturnedError``: see ``FailureBehavior``.
        case fail
        /// The daemon shuts down gracefully, without an error.
        case shutDown
        /// The service has finished, and the daemon runs on.
        case finish
    }
#endif
