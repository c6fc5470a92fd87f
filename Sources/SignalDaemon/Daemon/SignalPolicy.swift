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
    /// The signals that stop the daemon immediately. All work is cancelled, nothing drains, and clean-ups run; each of the two
    /// has ``hardExitPeriod``. The process then dies by that signal.
    public let hardExit: Set<SignalNumber>
    /// The signals that stop the daemon when its work is done.
    public let graceful: Set<SignalNumber>
    /// The signals that reload the configuration. A daemon that has no reload leaves them alone, except SIGHUP.
    ///
    /// SIGHUP reloads when a process sends it. When the kernel sends it, because the terminal was closed, or when there is no
    /// reload, it ends the daemon gracefully.
    public let reload: Set<SignalNumber>

    /// How long draining may take. Zero: work is cancelled at once. A negative period counts as zero, as in all of these.
    public var gracePeriod: Duration
    /// How long cancelled work may take to end.
    public var cancelPeriod: Duration
    /// How long all clean-ups together may take: see ``Daemon/addCleanup(_:within:_:)``.
    public var cleanupPeriod: Duration
    /// The cancel period and the clean-up period after a hard exit, if it is shorter than these.
    public var hardExitPeriod: Duration
    /// The effect of a second signal.
    public var secondSignal: SecondSignal
    /// For how long after a signal another one is the same request, which arrived twice: it is counted, and has no effect.
    ///
    /// `timeout(1)`, npm, launchers and closing terminals send one request as two signals. A hard exit after a graceful signal is
    /// a request of its own, and so is a second Ctrl-C: a SIGINT or SIGQUIT that the terminal sent, after another one.
    public var duplicateWindow: Duration
    /// Whether a signal stays ignored that was ignored when the daemon started, as `nohup(1)` asks of SIGHUP, and a shell of
    /// SIGINT for what runs in the background.
    public var keepsIgnored: Bool

    /// The effect of a second signal on a daemon that is ending.
    public enum SecondSignal: Hashable, Sendable {
        /// Draining ends, and the work that is left is cancelled. After draining, the process is forced to exit.
        case escalate
        /// The process is forced to exit.
        case forceExit
        /// Nothing, unless it is a first hard exit: the deadlines alone end the daemon.
        case ignored
    }

    /// Makes a policy with the periods of ``server``.
    ///
    /// - Throws: ``/SignalBridge/SignalBridgeError``: ``/SignalBridge/SignalBridgeError/Code/duplicateSignal`` for a signal that has two meanings, or one
    ///   twice; ``/SignalBridge/SignalBridgeError/Code/noSignals`` if there are none; or what refuses the signal itself.
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
    /// The policy of a tool that a person runs. INT, TERM and HUP cancel at once; 2 seconds after that, 1 to clean up. A second
    /// signal forces the exit.
    public static let commandLine = SignalPolicy(
        [], [.sigint, .sigterm, .sighup], [], grace: .zero, cancel: .seconds(2), cleanup: .seconds(1),
        second: .forceExit)
    /// As `nginx(8)`. TERM, INT: hard exit; QUIT: graceful; HUP: reload.
    public static let nginx = SignalPolicy([.sigterm, .sigint], [.sigquit], [.sighup])
    /// As `httpd(8)`. TERM: hard exit; WINCH: graceful; HUP: reload. A terminal sends WINCH too, whenever its window is
    /// resized: not for a program that runs in one.
    public static let apache = SignalPolicy([.sigterm], [.sigwinch], [.sighup])
    /// As uWSGI. INT, QUIT: hard exit; HUP, TERM: reload. Mind that TERM, with which systemd, Docker and Kubernetes stop a
    /// daemon, makes this one reload (uWSGI without `die-on-term`); without a reload, TERM is untouched, and kills.
    public static let uwsgi = SignalPolicy([.sigint, .sigquit], [], [.sighup, .sigterm])
    /// As Gunicorn. INT, QUIT: hard exit; TERM: graceful; HUP: reload.
    public static let gunicorn = SignalPolicy([.sigint, .sigquit], [.sigterm], [.sighup])
    /// As `docker stop`. TERM, and Ctrl-C of `docker run -it`: graceful; the hard exit is KILL, which nobody can catch. It ends
    /// within Docker's 10 seconds: 6 to drain, 1.5 after cancellation, 1.5 to clean up.
    public static let docker = SignalPolicy(
        [], [.sigterm, .sigint], [], grace: .seconds(6), cancel: .milliseconds(1500), cleanup: .milliseconds(1500))

    /// Subscribes to the signals that end a daemon, in the first lines of `main`: what comes while the program starts is captured,
    /// and no longer kills it. Give the result to ``Daemon/main(policy:supervisor:takingOver:onTransition:_:)``, or to another
    /// function that runs a daemon.
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

    /// For a daemon inside one with this policy. It gets no signals, and its clean-ups take place while the outer daemon waits for
    /// work that it has cancelled.
    var forPart: SignalPolicy {
        SignalPolicy(
            [], [], [], grace: gracePeriod, cancel: cancelPeriod / 2, cleanup: cancelPeriod / 2, second: secondSignal)
    }

    /// A copy with other periods and choices; what is not named stays.
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
