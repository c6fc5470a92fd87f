#if Configuration
    import Configuration
    import SignalBridge

    /// The failure to reload a configuration. The old values stay. With the trait `Configuration`.
    public struct ConfigurationReloadError: Error, CustomStringConvertible {
        /// The name of the provider.
        public let providerName: String
        /// The error of the provider: the file is gone, cannot be read, or is malformed.
        public let underlyingError: any Error

        /// A phrase that names the provider and its error.
        public var description: String { "\(providerName) keeps its old values: \(underlyingError)" }
    }

    extension Daemon {
        /// Makes each reload of the daemon, by SIGHUP or `reload()`, read the file of a `ReloadingFileProvider` again.
        /// With the trait `Configuration`.
        ///
        /// ```swift
        /// try daemon.onReload(refresh: provider) { configuration in
        ///     let greeting = try configuration.requiredString(forKey: "greeting")
        ///     logger.info("the greeting is \(greeting)")
        /// }
        /// ```
        ///
        /// Do not run such a provider as a `Service`: its `run()` traps SIGHUP by its own Dispatch source, polls the
        /// file, and hides the errors. Here only the daemon has SIGHUP. A malformed file is a failed reload: the
        /// report, `onTransition` and the caller of `reload()` get the error. A file whose modification time is
        /// unchanged is not read again. Any other provider works if its `fetchValue` looks for new values.
        ///
        /// - Parameters:
        ///   - provider: the provider that reloads.
        ///   - apply: called after that, with the new configuration. If it throws, the reload has failed, but the
        ///     provider has the new values; `Daemon.run(load:apply:body:)` with a `FileProvider` keeps the old ones.
        /// - Throws: as ``onReload(_:)``. A reload that fails throws ``ConfigurationReloadError``.
        public func onReload(
            refresh provider: some ConfigProvider, apply: sending ((ConfigSnapshotReader) async throws -> Void)? = nil
        ) throws(SignalBridgeError) {
            let apply = Sent(apply)
            try onReload {
                do {
                    // Any key works, because a fetch looks for new values first.
                    _ = try await provider.fetchValue(forKey: ["SignalDaemon", "reload"], type: .string)
                } catch {
                    throw ConfigurationReloadError(providerName: provider.providerName, underlyingError: error)
                }
                try await apply.closure?(ConfigReader(provider: provider).snapshot())
            }
        }
    }
#endif
