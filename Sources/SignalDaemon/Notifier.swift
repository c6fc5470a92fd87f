import SignalBridge

/// What the supervisor is told, and when. A plain value.
struct Notifier {
    static let extend = "EXTEND_TIMEOUT_USEC=10000000"  // ten seconds more, said every five
    private static let extendEvery = Duration.seconds(5)

    /// Half of the watchdog's time, as sd_watchdog_enabled(3) asks.
    private let pingEvery: Duration?
    private let hasListener: Bool
    private var nextPing: Duration?
    private var nextExtend: Duration?
    private var isStopping = false
    private var isReady = false
    private var isReloading = false
    var isAsking = false
    var check: (@Sendable () async -> Bool)?

    init(_ supervisor: Supervisor, at now: Duration) {
        hasListener = supervisor.socket != nil
        pingEvery = hasListener ? supervisor.watchdog.map { max($0 / 2, .milliseconds(1)) } : nil
        nextPing = pingEvery.map { now + $0 }
    }

    var deadline: Duration? { [nextPing, nextExtend].compactMap { $0 }.min() }

    mutating func ready() -> String {
        isReady = true
        isReloading = false
        return "READY=1"
    }

    mutating func datagrams(for transition: DaemonTransition, _ ladder: Ladder, at now: Duration) -> [String] {
        switch transition {
        case .reloading where isReady:
            isReloading = true
            let (seconds, attoseconds) = monotonicNow().components  // systemd's clock, also in a simulation
            return ["RELOADING=1\nMONOTONIC_USEC=\(seconds * 1_000_000 + attoseconds / 1_000_000_000_000)"]
        case .reloaded where isReloading && !ladder.restarts, .reloadFailed where isReloading:
            return ladder.purpose == .shutdown ? [] : [ready()]  // a new body says so itself
        case .entered where ladder.purpose == .shutdown && !isStopping:
            isStopping = true
            nextExtend = hasListener ? now : nil  // at once
            return ["STOPPING=1"]
        case .finished, .forced:
            nextExtend = nil
            return []
        default:
            return []
        }
    }

    mutating func extends(at now: Duration) -> Bool {
        guard let due = nextExtend, due <= now else { return false }
        nextExtend = now + Self.extendEvery
        return true
    }

    mutating func pings(at now: Duration) -> Bool {
        guard let due = nextPing, due <= now, let pingEvery else { return false }
        nextPing = now + pingEvery
        return !isAsking
    }
}
