import SignalBridge

/// What each signal asks of a daemon, and how long it has. Given to ``Daemon/run(policy:supervisor:onTransition:onForce:_:)``.
///
/// ```swift
/// var policy = SignalPolicy.server  // TERM and INT stop it, HUP reloads
/// policy.gracePeriod = .seconds(60)
/// let own = try SignalPolicy(hardExit: [.sigquit], graceful: [.sigterm, .sigint], reload: [.sighup, .sigusr1])
/// ```
///
/// The ladder: the first graceful signal makes the daemon **drain** (work is told to finish) for the grace period; then
/// what is left is **cancelled**, and has the cancel period; then hooks **clean up**, in the clean-up period. What is not
/// done by then is abandoned: the process is forced to end. A second signal moves one rung up, or forces at once.
public struct SignalPolicy: Hashable, Sendable {
    /// Stop now: everything is cancelled at once, nothing drains, hooks run; each of the two has
    /// ``hardExitPeriod``. The process then dies by that signal.
    public let hardExit: Set<SignalNumber>
    /// Stop when the work at hand is done.
    public let graceful: Set<SignalNumber>
    /// Read the configuration again. Left untouched in a daemon that has no reload.
    public let reload: Set<SignalNumber>

    /// How long draining may take. Zero: cancelled at once. A negative period counts as zero, as in all of these.
    public var gracePeriod: Duration
    /// How long what was cancelled has to end.
    public var cancelPeriod: Duration
    /// How long all the hooks together have. While n hooks are left, the next one has a share of 1/(n + 1) of what is left.
    public var cleanupPeriod: Duration
    /// What takes the place of the cancel period and of the clean-up period after a hard exit, if it is shorter.
    public var hardExitPeriod: Duration
    /// What a second signal does. Two deliveries of the same one are two signals.
    public var secondSignal: SecondSignal
    /// Whether a signal stays ignored that was ignored when the daemon started, as `nohup(1)` asks of SIGHUP and a shell of
    /// SIGINT for what runs in the background.
    public var keepsIgnored: Bool

    /// What a second signal to a daemon that is ending does.
    public enum SecondSignal: Hashable, Sendable {
        /// It ends draining: what is left is cancelled. Past that, it forces.
        case escalate
        /// The process is forced to end.
        case forceExit
    }

    /// A policy of one's own, with the periods of ``server``.
    ///
    /// - Throws: ``SignalBridgeError``: ``SignalBridgeError/Code/duplicateSignal`` for a signal that has two meanings, or one
    ///   twice; ``SignalBridgeError/Code/noSignals`` if there are none; or what refuses the signal itself.
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

    /// For what is known to be right.
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
        keepsIgnored = true
    }

    /// TERM and INT: graceful; HUP: reload. 20 seconds to drain, 4 after cancellation, 4 to clean up: it ends by itself
    /// within the 30 seconds that Kubernetes gives. A second signal escalates.
    public static let server = SignalPolicy([], [.sigterm, .sigint], [.sighup])
    /// For a tool that a person runs: INT, TERM and HUP cancel at once; 2 seconds after that, 1 to clean up. A second one
    /// forces.
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
    /// As `docker stop`. TERM: graceful; the hard exit is KILL, which nobody can catch. It ends within Docker's 10 seconds: 6
    /// to drain, 1.5 after cancellation, 1.5 to clean up.
    public static let docker = SignalPolicy(
        [], [.sigterm], [], grace: .seconds(6), cancel: .milliseconds(1500), cleanup: .milliseconds(1500))

    /// A copy with other periods and choices; what is not named stays.
    public func with(
        gracePeriod: Duration? = nil, cancelPeriod: Duration? = nil, cleanupPeriod: Duration? = nil,
        hardExitPeriod: Duration? = nil, secondSignal: SecondSignal? = nil, keepsIgnored: Bool? = nil
    ) -> SignalPolicy {
        var policy = self
        if let gracePeriod { policy.gracePeriod = gracePeriod }
        if let cancelPeriod { policy.cancelPeriod = cancelPeriod }
        if let cleanupPeriod { policy.cleanupPeriod = cleanupPeriod }
        if let hardExitPeriod { policy.hardExitPeriod = hardExitPeriod }
        if let secondSignal { policy.secondSignal = secondSignal }
        if let keepsIgnored { policy.keepsIgnored = keepsIgnored }
        return policy
    }
}
