#if Configuration
    import Configuration
    import SignalBridge

    /// A configuration that could not be reloaded. The old values stay. With the trait `Configuration`.
    public struct ConfigurationReloadError: Error, CustomStringConvertible {
        /// The name of the provider.
        public let providerName: String
        /// What the provider threw: the file is gone, cannot be read, or is broken.
        public let underlyingError: any Error

        /// A phrase that names the provider and its error.
        public var description: String { "\(providerName) keeps its old values: \(underlyingError)" }
    }

    extension Daemon {
        /// Makes each reload of the daemon, by SIGHUP or `reload()`, read the file of a `ReloadingFileProvider` again. With the
        /// trait `Configuration`.
        ///
        /// ```swift
        /// try daemon.onReload(refresh: provider) { configuration in
        ///     let greeting = try configuration.requiredString(forKey: "greeting")
        ///     logger.info("the greeting is \(greeting)")
        /// }
        /// ```
        ///
        /// Do not run such a provider as a `Service`: its `run()` traps SIGHUP by a Dispatch source of its own, polls the file, and
        /// hides the errors. Here the daemon alone has SIGHUP, and a broken file is a reload that failed: in the report, in
        /// `onTransition`, and for who called `reload()`. A file whose modification time is unchanged is not read again. Any
        /// other provider whose `fetchValue` looks for new values will do.
        ///
        /// - Parameters:
        ///   - provider: the provider that reloads.
        ///   - apply: called after that, with what is configured now. If it throws, the reload has failed, but the provider has the
        ///     new values; `Daemon.run(load:apply:body:)` with a `FileProvider` keeps the old ones.
        /// - Throws: as ``onReload(_:)``. A reload that fails throws ``ConfigurationReloadError``.
        public func onReload(
            refresh provider: some ConfigProvider, apply: sending ((ConfigSnapshotReader) async throws -> Void)? = nil
        ) throws(SignalBridgeError) {
            let apply = Sent(apply)
            try onReload {
                do {
                    // Any key will do: to fetch means to look for new values first.
                    _ = try await provider.fetchValue(forKey: ["SignalDaemon", "reload"], type: .string)
                } catch {
                    throw ConfigurationReloadError(providerName: provider.providerName, underlyingError: error)
                }
                try await apply.closure?(ConfigReader(provider: provider).snapshot())
            }
        }
    }
#endif
