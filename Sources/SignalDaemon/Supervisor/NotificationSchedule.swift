import SignalBridge

/// Decides which notifications the supervisor gets, and when. A plain value.
struct NotificationSchedule {
    /// The daemon asks for ten more seconds, every five seconds.
    static let extendTimeout = "EXTEND_TIMEOUT_USEC=10000000"
    private static let extendInterval = Duration.seconds(5)

    /// Half of the watchdog's interval, as sd_watchdog_enabled(3) recommends.
    private let watchdogInterval: Duration?
    private let hasListener: Bool
    private var nextWatchdog: Duration?
    private var nextExtension: Duration?
    private var isStopping = false
    private var isReady = false
    /// Whether the present body has reported that it is ready; a restart resets this.
    private var isBodyReady = false
    private var isReloading = false
    private var isCheckRunning = false

    init(_ supervisor: Supervisor, at now: Duration) {
        hasListener = supervisor.socket != nil
        watchdogInterval = hasListener ? supervisor.watchdog.map { max($0 / 2, .milliseconds(1)) } : nil
        nextWatchdog = watchdogInterval.map { now + $0 }
    }

    var deadline: Duration? { [nextWatchdog, nextExtension].compactMap { $0 }.min() }

    /// `nil`: the daemon is stopping, so it does not become ready.
    mutating func ready() -> String? {
        if isStopping { return nil }
        isReady = true
        isBodyReady = true
        isReloading = false
        return "READY=1"
    }

    /// `nil`: nothing is to be sent.
    mutating func datagram(for transition: DaemonTransition, _ machine: ShutdownStateMachine, at now: Duration)
        -> String?
    {
        switch transition {
        case .started:
            isBodyReady = false
            return nil
        case .reloading where isReady:
            isReloading = true
            let (seconds, attoseconds) = monotonicNow().components  // systemd's clock, also in a simulation
            return "RELOADING=1\nMONOTONIC_USEC=\(seconds * 1_000_000 + attoseconds / 1_000_000_000_000)"
        case .reloaded where isReloading && !machine.restartsOnReload:
            return machine.isShuttingDown ? nil : ready()  // a new body says so itself
        case .entered where (machine.isShuttingDown || machine.isOver) && !isStopping:  // over: nothing was left to do
            isStopping = true
            nextExtension = hasListener ? now : nil
            return "STOPPING=1"
        case .finished, .forced:
            nextExtension = nil
            return nil
        default:
            return nil
        }
    }

    /// The lines before the status of a reload that failed; `nil`: there is no status, because the shutdown cancelled it.
    mutating func beginning(ofFailure error: any Error, _ machine: ShutdownStateMachine) -> String? {
        if machine.isShuttingDown { return error is CancellationError ? nil : "" }
        return isReloading && isBodyReady ? ready().map { "\($0)\n" } : ""
    }

    /// Whether more time must be asked for now.
    mutating func isExtensionDue(at now: Duration) -> Bool {
        guard let due = nextExtension, due <= now else { return false }
        nextExtension = now + Self.extendInterval
        return true
    }

    /// Whether a watchdog check must start now. The next one starts after `checkEnded`.
    mutating func isCheckDue(at now: Duration) -> Bool {
        guard let due = nextWatchdog, due <= now, let watchdogInterval else { return false }
        nextWatchdog = now + watchdogInterval
        return !exchange(&isCheckRunning, with: true)
    }

    mutating func checkEnded() { isCheckRunning = false }
}
