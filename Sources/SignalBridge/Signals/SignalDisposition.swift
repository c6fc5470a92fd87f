import CSignalShim

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the process does with a signal: `sigaction(2)`.
public enum SignalDisposition: Hashable, Sendable {
    /// The default action, see `signal(7)`: the process terminates, stops, continues, or nothing happens.
    case `default`
    /// The kernel discards the signal.
    case ignore
    /// A handler runs: this library's, or another one.
    case handler
}

extension SignalNumber {
    /// The disposition of this signal now.
    ///
    /// - Throws: ``SignalBridgeError`` for a number that is no signal, or if `sigaction(2)` fails.
    public var disposition: SignalDisposition {
        get throws(SignalBridgeError) {
            if let simulator = SignalSimulator.current { return try simulator.disposition(of: self) }
            switch Int(csigshim_disposition(rawValue)) {
            case CSIGSHIM_DISPOSITION_DEFAULT: return .default
            case CSIGSHIM_DISPOSITION_IGNORED: return .ignore
            case CSIGSHIM_DISPOSITION_HANDLED: return .handler
            default: throw SignalBridgeError.refusing(self) ?? .systemCall("sigaction", self, errno)
            }
        }
    }

    /// Sets what happens to this signal while no subscription has it. Most programs want
    /// `try SignalNumber.sigpipe.setDisposition(.ignore)`: a write to a closed pipe then fails with `EPIPE`.
    ///
    /// It applies to the whole process. A child inherits `.ignore`, through `exec` too.
    ///
    /// - Parameter disposition: `.default` or `.ignore`.
    /// - Throws: ``SignalBridgeError``: ``SignalBridgeError/Code/signalInUse`` while a subscription has the signal,
    ///   ``SignalBridgeError/Code/invalidArgument`` for `.handler`, or what refuses the signal itself.
    public func setDisposition(_ disposition: SignalDisposition) throws(SignalBridgeError) {
        if let refusal = SignalBridgeError.refusing(self) { throw refusal }
        if disposition == .handler {
            throw SignalBridgeError(
                .invalidArgument, self, "\(self) gets a handler by a subscription; set .default or .ignore")
        }
        if let simulator = SignalSimulator.current { return try simulator.set(disposition, for: self) }
        let raw = disposition == .ignore ? CSIGSHIM_DISPOSITION_IGNORED : CSIGSHIM_DISPOSITION_DEFAULT
        guard csigshim_set_disposition(rawValue, Int32(raw)) != 0 else { return }
        if errno == EBUSY { throw .signalInUse(self) }
        throw .systemCall("sigaction", self, errno)
    }

    /// Takes the default action of this signal now, as if no handler had ever been installed: the process terminates by it
    /// (its parent sees `WTERMSIG`), stops until it is continued, or goes on.
    ///
    /// A program that has cleaned up after SIGINT ends with it as its shell expects. In the init of a container, which no
    /// signal kills, the process ends with `_exit(128 + signal)`. Nothing is unwound, and no `atexit(3)` function runs. From
    /// any thread.
    ///
    /// - Throws: ``SignalBridgeError`` for a number that is no signal, or if `sigaction(2)` fails.
    public func performDefaultAction() throws(SignalBridgeError) {
        if let simulator = SignalSimulator.current { return try simulator.performDefaultAction(of: self) }
        if csigshim_take_default_action(rawValue) != 0 {
            throw SignalBridgeError.refusing(self) ?? .systemCall("sigaction", self, errno)
        }
    }

    /// Installs this library's handler again, after another handler has replaced it: see ``SignalDiagnostics/isDisplaced``.
    ///
    /// The other handler no longer runs, and the end of the last subscription restores the action that was saved first. A
    /// signal source of Dispatch that was displaced may go on taking some of the signals.
    ///
    /// - Throws: ``SignalBridgeError``: ``SignalBridgeError/Code/notSubscribed`` if no subscription has the signal.
    public func rearm() throws(SignalBridgeError) {
        if let refusal = SignalBridgeError.refusing(self) { throw refusal }
        if let simulator = SignalSimulator.current {
            if try simulator.disposition(of: self) == .handler { return }  // no other handler exists there
        } else {
            guard csigshim_rearm(rawValue) != 0 else { return }
            if errno != ENOENT { throw .systemCall("sigaction", self, errno) }
        }
        throw SignalBridgeError(
            .notSubscribed, self, "no subscription has \(self), so there is no handler to install again")
    }
}
