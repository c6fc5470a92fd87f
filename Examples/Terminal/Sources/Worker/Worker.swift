import SignalDaemon

/// A daemon that does one job after the other. The job in hand is finished.
public struct Worker: Sendable {
    private let clock: any Clock<Duration>

    public init(clock: any Clock<Duration> = ContinuousClock()) { self.clock = clock }

    /// Runs the daemon, whose value is the number of jobs that were done.
    public func run() async throws -> DaemonReport<Int> {
        try await Daemon.run { [clock] daemon in
            var jobs = 0
            daemon.notifyReady()
            while !daemon.isShuttingDown {
                try await clock.sleep(for: .seconds(10))  // stands for a job
                jobs += 1
            }
            return jobs
        }
    }
}
