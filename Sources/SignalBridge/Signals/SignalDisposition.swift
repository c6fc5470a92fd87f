import CSignalShim

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What the kernel does with a signal: `sigaction(2)`.
public enum SignalDisposition: Hashable, Sendable {
    /// The default action: to die, stop, continue, or nothing; see `signal(7)`.
    case `default`
    /// Nothing; the signal is thrown away.
    case ignore
    /// A handler runs: a subscription's, or somebody else's.
    case handler

    /// What can be set without a handler.
    public enum Plain: Hashable, Sendable {
        /// The default action.
        case `default`
        /// Nothing; the signal is thrown away. Children inherit this through `exec`.
        case ignore
    }

    /// Sets what happens to a signal that nobody subscribes to, for the whole process. The usual one:
    /// `try SignalDisposition.set(.ignore, for: .sigpipe)`.
    ///
    /// - Throws: ``SignalBridgeError``: ``SignalBridgeError/Code/inUse`` while a subscription has the signal, or what
    ///   refuses the signal itself.
    public static func set(_ disposition: Plain, for signal: SignalNumber) throws(SignalBridgeError) {
        if let refusal = SignalBridgeError.refusing(signal) { throw refusal }
        if let simulator = SignalSimulator.current { return try simulator.set(disposition, for: signal) }
        let raw = disposition == .ignore ? CSIGSHIM_DISPOSITION_IGNORED : CSIGSHIM_DISPOSITION_DEFAULT
        guard csigshim_set_disposition(signal.rawValue, Int32(raw)) != 0 else { return }
        if errno == EBUSY { throw .inUse(signal) }
        throw .systemCall("sigaction", signal, errno)
    }

    /// What the kernel has now.
    public static func current(of signal: SignalNumber) throws(SignalBridgeError) -> SignalDisposition {
        if let simulator = SignalSimulator.current { return try simulator.disposition(of: signal) }
        switch Int(csigshim_disposition(signal.rawValue)) {
        case CSIGSHIM_DISPOSITION_DEFAULT: return .default
        case CSIGSHIM_DISPOSITION_IGNORED: return .ignore
        case CSIGSHIM_DISPOSITION_HANDLED: return .handler
        default: throw SignalBridgeError.refusing(signal) ?? .systemCall("sigaction", signal, errno)
        }
    }

    /// Does what the signal would have done, had nobody ever installed a handler: the process dies by it (its parent
    /// sees `WTERMSIG`), stops until it is continued, or goes on. Where no signal kills, in the init of a container, it
    /// ends with `_exit(128 + signal)`. Callable from any thread; nothing is unwound, no `atexit` handler runs.
    ///
    /// For a program that has cleaned up after SIGINT and now ends as its shell expects, by that signal.
    public static func performDefaultAction(of signal: SignalNumber) throws(SignalBridgeError) {
        if let simulator = SignalSimulator.current { return try simulator.performDefaultAction(of: signal) }
        if csigshim_take_default_action(signal.rawValue) != 0 {
            throw SignalBridgeError.refusing(signal) ?? .systemCall("sigaction", signal, errno)
        }
    }

    /// Puts back every disposition that subscriptions changed: for a program that is about to replace itself with
    /// `execve(2)`, so that what was ignored when it started (`nohup(1)`) is ignored after that too. Subscriptions get
    /// nothing from then on. Async-signal-safe; C code that forks calls `csigshim_reset_for_exec` in the child.
    public static func resetForExec() throws(SignalBridgeError) {
        if SignalSimulator.current != nil { return }
        if csigshim_reset_for_exec() != 0 { throw .systemCall("sigaction", nil, errno) }
    }
}
