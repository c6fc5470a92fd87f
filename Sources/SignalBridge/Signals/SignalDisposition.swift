import CSignalShim

/// The action that a process takes on a signal: `sigaction(2)`.
public enum SignalDisposition: Hashable, Sendable {
    /// The default action, see `signal(7)`: the process terminates, stops, continues, or nothing happens.
    case `default`
    /// The kernel discards the signal.
    case ignore
    /// A handler runs: this library's, or another one.
    case handler
}

extension SignalNumber {
    /// The disposition of the signal now.
    ///
    /// - Throws: ``SignalBridgeError`` for a number that is no signal, or if `sigaction(2)` fails.
    public var disposition: SignalDisposition {
        get throws(SignalBridgeError) {
            if let simulator = SignalSimulator.current { return try simulator.disposition(of: self) }
            switch Int(csigshim_disposition(rawValue)) {
            case CSIGSHIM_DISPOSITION_DEFAULT: return .default
            case CSIGSHIM_DISPOSITION_IGNORED: return .ignore
            case CSIGSHIM_DISPOSITION_HANDLED: return .handler
            default: throw SignalBridgeError.refusing(self) ?? .systemCall("sigaction", self, Errno.last)
            }
        }
    }

    /// Sets the disposition of the signal, which must have no subscription. Most programs need `try
    /// SignalNumber.sigpipe.setDisposition(.ignore)`: a write to a closed pipe then fails with `EPIPE`.
    ///
    /// It applies to the whole process. A child inherits `.ignore`, through `exec` too. Callable on any thread.
    ///
    /// - Parameter disposition: `.default` or `.ignore`.
    /// - Throws: ``SignalBridgeError``: ``SignalBridgeError/Code/signalInUse`` while a subscription has the signal,
    ///   ``SignalBridgeError/Code/invalidArgument`` for `.handler`, or the reason why the signal cannot be caught.
    public func setDisposition(_ disposition: SignalDisposition) throws(SignalBridgeError) {
        if let refusal = SignalBridgeError.refusing(self) { throw refusal }
        if disposition == .handler {
            throw SignalBridgeError(
                .invalidArgument, self, "\(self) gets a handler by a subscription; set .default or .ignore")
        }
        if let simulator = SignalSimulator.current { return try simulator.setDisposition(disposition, of: self) }
        let raw = disposition == .ignore ? CSIGSHIM_DISPOSITION_IGNORED : CSIGSHIM_DISPOSITION_DEFAULT
        guard csigshim_set_disposition(rawValue, Int32(raw)) != 0 else { return }
        let failure = Errno.last
        throw failure == Errno.busy ? .signalInUse(self) : .systemCall("sigaction", self, failure)
    }

    /// Takes the default action of the signal now, whatever handler is installed: the process terminates by the signal (its
    /// parent sees `WTERMSIG`), stops until it is continued, or goes on.
    ///
    /// A program that has cleaned up after SIGINT ends with it, as its shell expects. In the init of a container, which no
    /// signal kills, the process ends with `_exit(128 + signal)`. Nothing is unwound, and no `atexit(3)` function runs.
    /// Callable on any thread.
    ///
    /// - Throws: ``SignalBridgeError`` for a number that is no signal, or if `sigaction(2)` fails.
    public func performDefaultAction() throws(SignalBridgeError) {
        if let simulator = SignalSimulator.current { return try simulator.performDefaultAction(of: self) }
        if csigshim_take_default_action(rawValue) == 0 { return }
        throw SignalBridgeError.refusing(self) ?? .systemCall("sigaction", self, Errno.last)
    }

    /// Whether other code has replaced the handler of a subscription. It makes one system call; ``SignalDiagnostics``
    /// makes many.
    package var isDisplaced: Bool { csigshim_state(rawValue) == Int32(CSIGSHIM_DISPLACED) }

    /// Installs this library's handler again, after another handler has replaced it: see ``SignalDiagnostics/isDisplaced``.
    ///
    /// The other handler no longer runs, and the end of the last subscription restores the action that was saved first.
    /// A displaced signal source of Dispatch may still take some of the signals. Callable on any thread.
    ///
    /// - Throws: ``SignalBridgeError``: ``SignalBridgeError/Code/notSubscribed`` if no subscription has the signal.
    public func rearm() throws(SignalBridgeError) {
        if let refusal = SignalBridgeError.refusing(self) { throw refusal }
        if SignalSimulator.current != nil {  // there, no other handler exists
            if try disposition != .handler { throw .nothingToRearm(self) }
            return
        }
        guard csigshim_rearm(rawValue) != 0 else { return }
        let failure = Errno.last
        throw failure == Errno.notFound ? .nothingToRearm(self) : .systemCall("sigaction", self, failure)
    }
}
