import SignalDaemon

/// A daemon that does one job after the other. A shutdown waits for the job that has begun.
public struct Worker: Sendable {
    private let clock: any Clock<Duration>
    private let job: Duration

    public init(clock: any Clock<Duration> = ContinuousClock(), job: Duration = .seconds(10)) {
        self.clock = clock
        self.job = job
    }

    /// Runs the daemon, whose value is the number of jobs that were done.
    public func run() async throws -> DaemonReport<Int> {
        try await Daemon.run { [clock, job] daemon in
            var jobs = 0
            daemon.notifyReady()
            while !daemon.isShuttingDown {
                try await clock.sleep(for: job)  // stands for work
                jobs += 1
            }
            return jobs
        }
    }
}
