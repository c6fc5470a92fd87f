import SignalBridge

/// The meaning of each signal for a daemon, and the time that each phase of its shutdown may take.
///
/// ```swift
/// var policy = SignalPolicy.server  // TERM and INT end it, HUP reloads
/// policy.gracePeriod = .seconds(60)
/// let own = try SignalPolicy(hardExit: [.sigquit], graceful: [.sigterm, .sigint], reload: [.sighup, .sigusr1])
/// ```
///
/// The first graceful signal makes the daemon **drain**: work is asked to finish, and has the grace period. Then the work that is
/// left is **cancelled**, and has the cancel period. Then clean-ups run, in the clean-up period. Work that has not ended by then
/// is abandoned: the process is forced to exit. A second signal escalates to the next phase, or forces the exit, unless it comes
/// within the ``duplicateWindow`` of the first.
public struct SignalPolicy: Hashable, Sendable {
    /// The signals that stop the daemon immediately. All work is cancelled without draining, and then clean-ups run;
    /// each of the two has ``hardExitPeriod``. The process then dies by that signal.
    public let hardExit: Set<SignalNumber>
    /// The signals that stop the daemon gracefully, after its work.
    public let graceful: Set<SignalNumber>
    /// The signals that reload the configuration. A daemon without a reload does not subscribe to them, except SIGHUP.
    ///
    /// SIGHUP reloads when a process sends it. When the kernel sends it, because the terminal was closed, or when there is no
    /// reload, it ends the daemon gracefully.
    public let reload: Set<SignalNumber>

    /// The time for draining. Zero: work is cancelled at once. A negative period counts as zero, here and in the other
    /// periods.
    public var gracePeriod: Duration
    /// The time in which cancelled work must end.
    public var cancelPeriod: Duration
    /// The time for all clean-ups together: see ``Daemon/addCleanup(_:within:_:)``.
    public var cleanupPeriod: Duration
    /// The cancel period and the clean-up period after a hard exit, if shorter than ``cancelPeriod`` and
    /// ``cleanupPeriod``.
    public var hardExitPeriod: Duration
    /// The effect of a second signal.
    public var secondSignal: SecondSignal
    /// The time after a signal in which another one is taken as the same request: it is counted, and has no effect.
    ///
    /// `timeout(1)`, npm, launchers and closing terminals send one request as two signals. A hard exit after a graceful
    /// signal is a new request. So is a second Ctrl-C: a SIGINT or SIGQUIT from the terminal after another one.
    public var duplicateWindow: Duration
    /// Whether a signal that was ignored when the daemon started stays ignored. `nohup(1)` ignores SIGHUP for a
    /// program, and a shell may ignore SIGINT for a background job.
    public var keepsIgnored: Bool

    /// The effect of a second signal on a daemon that is ending.
    public enum SecondSignal: Hashable, Sendable {
        /// Draining ends, and the work that is left is cancelled. After draining, the process is forced to exit.
        case escalate
        /// The process is forced to exit.
        case forceExit
        /// The signal has no effect, unless it is the first hard exit. Only the deadlines end the daemon.
        case ignored
    }

    /// Makes a policy with the periods of ``server``.
    ///
    /// - Throws: ``/SignalBridge/SignalBridgeError``: ``/SignalBridge/SignalBridgeError/Code/duplicateSignal`` for a
    ///   signal that is named twice; ``/SignalBridge/SignalBridgeError/Code/noSignals`` if there are none; or the error
    ///   that refuses a signal.
    public init(
        hardExit: [SignalNumber] = [], graceful: [SignalNumber] = [], reload: [SignalNumber] = []
    ) throws(SignalBridgeError) {
        let all = hardExit + graceful + reload
        if all.isEmpty {
            throw SignalBridgeError(.noSignals, nil, "the policy names no signals; name at least one")
        }
        for (index, signal) in all.enumerated() {
            if let refusal = SignalBridgeError.refusing(signal) { throw refusal }
            if all[..<index].contains(signal) {
                throw SignalBridgeError(
                    .duplicateSignal, signal, "the policy names \(signal) twice; a signal has one meaning")
            }
        }
        self.init(hardExit, graceful, reload)
    }

    /// Makes a policy without validation.
    private init(
        _ hardExit: [SignalNumber], _ graceful: [SignalNumber], _ reload: [SignalNumber],
        grace: Duration = .seconds(20), cancel: Duration = .seconds(4), cleanup: Duration = .seconds(4),
        second: SecondSignal = .escalate
    ) {
        self.hardExit = Set(hardExit)
        self.graceful = Set(graceful)
        self.reload = Set(reload)
        gracePeriod = grace
        cancelPeriod = cancel
        cleanupPeriod = cleanup
        hardExitPeriod = .seconds(1)
        secondSignal = second
        duplicateWindow = .milliseconds(500)
        keepsIgnored = true
    }

    /// The policy of a server. TERM and INT: graceful; HUP: reload. 20 seconds to drain, 4 after cancellation and 4 to clean up
    /// are less than the 30 seconds that Kubernetes gives. A second signal escalates.
    public static let server = SignalPolicy([], [.sigterm, .sigint], [.sighup])
    /// The policy of a tool that a user runs. INT, TERM and HUP cancel at once, with 2 seconds to end, and 1 to clean
    /// up. A second signal forces the exit.
    public static let commandLine = SignalPolicy(
        [], [.sigint, .sigterm, .sighup], [], grace: .zero, cancel: .seconds(2), cleanup: .seconds(1),
        second: .forceExit)
    /// The policy of `nginx(8)`. TERM, INT: hard exit; QUIT: graceful; HUP: reload.
    public static let nginx = SignalPolicy([.sigterm, .sigint], [.sigquit], [.sighup])
    /// The policy of `httpd(8)`. TERM: hard exit; WINCH: graceful; HUP: reload. It is not for a program in a terminal,
    /// which sends WINCH whenever its window is resized.
    public static let apache = SignalPolicy([.sigterm], [.sigwinch], [.sighup])
    /// The policy of uWSGI without `die-on-term`. INT, QUIT: hard exit; HUP, TERM: reload. Note that systemd, Docker
    /// and Kubernetes stop a daemon by TERM, which makes this one reload. Without a reload, the daemon does not
    /// subscribe to TERM, which then kills.
    public static let uwsgi = SignalPolicy([.sigint, .sigquit], [], [.sighup, .sigterm])
    /// The policy of Gunicorn. INT, QUIT: hard exit; TERM: graceful; HUP: reload.
    public static let gunicorn = SignalPolicy([.sigint, .sigquit], [.sigterm], [.sighup])
    /// A policy for `docker stop`. TERM, and Ctrl-C of `docker run -it`: graceful; Docker's hard exit is KILL, which
    /// cannot be caught. A shutdown ends within Docker's 10 seconds: 6 to drain, 1.5 after cancellation, 1.5 to clean
    /// up.
    public static let docker = SignalPolicy(
        [], [.sigterm, .sigint], [], grace: .seconds(6), cancel: .milliseconds(1500), cleanup: .milliseconds(1500))

    /// Subscribes to the signals that end a daemon. Call it in the first lines of `main`: a signal that comes while the
    /// program starts is captured, and does not kill it. Give the result to
    /// ``Daemon/main(policy:supervisor:takingOver:onTransition:_:)``, or to another function that runs a daemon.
    ///
    /// - Throws: ``/SignalBridge/SignalBridgeError`` if the signals cannot be subscribed to.
    public func captureSignals() throws(SignalBridgeError) -> SignalEvents {
        try SignalEvents(endingSignals, options: keepsIgnored ? [.everyDelivery, .keepIgnored] : .everyDelivery)
    }

    /// SIGHUP is among them, because the kernel sends it when the terminal is closed.
    var endingSignals: [SignalNumber] {
        (hardExit.union(graceful).union(reload.intersection([.sighup]))).sorted { $0.rawValue < $1.rawValue }
    }
    var meaningfulSignals: Set<SignalNumber> { hardExit.union(graceful).union(reload) }

    func period(of phase: DaemonPhase, isHardExit: Bool) -> Duration {
        let period =
            switch phase {
            case .cancelling: cancelPeriod
            case .cleaningUp: cleanupPeriod
            default: gracePeriod
            }
        return min(max(.zero, isHardExit ? min(period, hardExitPeriod) : period), .seconds(1 << 40))
    }

    /// The policy for a part of a daemon with this policy. A part gets no signals. Its clean-ups run while the outer
    /// daemon waits for cancelled work.
    var forPart: SignalPolicy {
        var policy = SignalPolicy(
            [], [], [], grace: gracePeriod, cancel: cancelPeriod / 2, cleanup: cancelPeriod / 2, second: secondSignal)
        policy.hardExitPeriod = min(cancelPeriod, hardExitPeriod) / 2
        return policy
    }

    /// Returns a copy with other periods and choices.
    public func with(
        gracePeriod: Duration? = nil, cancelPeriod: Duration? = nil, cleanupPeriod: Duration? = nil,
        hardExitPeriod: Duration? = nil, secondSignal: SecondSignal? = nil, duplicateWindow: Duration? = nil,
        keepsIgnored: Bool? = nil
    ) -> SignalPolicy {
        var policy = self
        if let gracePeriod { policy.gracePeriod = gracePeriod }
        if let cancelPeriod { policy.cancelPeriod = cancelPeriod }
        if let cleanupPeriod { policy.cleanupPeriod = cleanupPeriod }
        if let hardExitPeriod { policy.hardExitPeriod = hardExitPeriod }
        if let secondSignal { policy.secondSignal = secondSignal }
        if let duplicateWindow { policy.duplicateWindow = duplicateWindow }
        if let keepsIgnored { policy.keepsIgnored = keepsIgnored }
        return policy
    }
}
