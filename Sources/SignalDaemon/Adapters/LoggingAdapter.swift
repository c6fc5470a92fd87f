#if Logging
    import Logging

    extension Logger {
        /// Logs a transition of a daemon at its level, with its metadata. With the trait `Logging`.
        ///
        /// Use it for `onTransition`: `Daemon.main(onTransition: { logger.log($0) })`. ``DaemonTransition/metadata`` is
        /// added to the logger's own, the level is ``DaemonTransition/level``, and the source is "SignalDaemon".
        public func log(_ transition: DaemonTransition) {
            log(
                level: Level(transition.level), "\(transition)",
                metadata: transition.metadata.mapValues { .string($0) },
                source: "SignalDaemon")
        }
    }

    extension Logger.Level {
        /// Makes the level of swift-log with the same name. With the trait `Logging`.
        public init(_ level: DaemonTransition.Level) {
            self = Logger.Level(rawValue: level.rawValue)!
        }
    }
#endif
