#if ServiceLifecycle
    /// The failure of a service that returned before a shutdown was requested. With the trait `ServiceLifecycle`.
    public struct ServiceReturnedError: Error, CustomStringConvertible {
        /// A phrase such as "the service returned".
        public var description: String { "the service returned, although nothing had requested a shutdown" }
    }
#endif
