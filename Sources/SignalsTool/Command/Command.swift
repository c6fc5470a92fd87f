import SignalBridge

/// The command that the command line gives.
enum Command: Hashable, Sendable {
    case help
    case inspect(process: Int32, signal: SignalNumber, json: Bool)
    case watch(process: Int32, signal: SignalNumber, interval: Duration, json: Bool)
    case explain(word: String, json: Bool)

    static let usage = """
        usage: signals inspect [--signal NAME] [--json] PID
               signals watch [--signal NAME] [--interval SECONDS] [--json] PID
               signals explain [--json] SIGNAL

        inspect   what the process does with signals, and what would become of a SIGTERM now
        watch     the same, and then each change, until the process ends or Ctrl-C
        explain   a signal: SIGTERM, TERM, 15, SIGRTMIN+3

          --signal NAME        another signal than SIGTERM
          --interval SECONDS   how often watch looks; 0.5, and at least 0.01
          --json               for programs; the keys are in the manual page signals(1)

        inspect and watch read /proc of Linux. Exit status: 0; 1 if there is no such process, or
        it may not be read; 64 for a wrong command line. NO_COLOR turns colours off.

        """

    /// - Parameter arguments: without the program's name.
    init(_ arguments: [String]) throws(UsageError) {
        let beforeOperands = arguments.prefix { $0 != "--" }
        if beforeOperands.contains("--help") || beforeOperands.contains("-h") || arguments == ["help"] {
            self = .help
            return
        }
        guard let verb = arguments.first else { throw UsageError("say what to do: inspect, watch or explain") }
        guard ["inspect", "watch", "explain"].contains(verb) else {
            throw UsageError("\"\(verb)\" is none of inspect, watch and explain")
        }
        var options = CommandOptions()
        try options.parse(arguments.dropFirst(), of: verb)
        guard let operand = options.operand else {
            throw UsageError(verb == "explain" ? "explain needs a signal, such as SIGTERM" : "\(verb) needs a PID")
        }
        if verb == "explain" {
            self = .explain(word: operand, json: options.json)
            return
        }
        guard let process = Int32(operand), process > 0 else {
            throw UsageError("\"\(operand)\" is not a PID, which is a number above 0")
        }
        self =
            verb == "inspect"
            ? .inspect(process: process, signal: options.signal, json: options.json)
            : .watch(process: process, signal: options.signal, interval: options.interval, json: options.json)
    }
}
