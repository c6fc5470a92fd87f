import SignalBridge

/// The program `signals`: shows what a process does with signals, and why one has no effect.
@main
struct SignalsTool {
    static func main() {
        do {
            try run(Command(Array(CommandLine.arguments.dropFirst())))
        } catch let error as UsageError {
            Terminal.complain("\(error); see signals --help")
            Terminal.exit(64)
        } catch {
            Terminal.complain("\(error)")
            Terminal.exit(1)
        }
    }

    private static func run(_ command: Command) throws {
        switch command {
        case .help: Terminal.print([Command.usage])
        case .inspect(let process, let signal, let json): try inspect(process, signal, json)
        case .watch(let process, let signal, let interval, let json):
            // Dies by the signal, so that a shell's loop ends, too.
            try Watch(process: process, signal: signal, interval: interval, json: json).run()?.performDefaultAction()
        case .explain(let word, let json): try explain(word, json)
        }
    }

    private static func inspect(_ id: Int32, _ signal: SignalNumber, _ json: Bool) throws {
        let process = try ProcessReader.read(id, for: signal)
        let verdict = Verdict(for: signal, in: process)
        if json { return Terminal.print([JSON(process, verdict).text]) }
        let note = process.id == id ? [] : ["\(id) is a thread of process \(process.id)"]
        Terminal.print(note + InspectionText(process: process, verdict: verdict, style: Terminal.style).lines)
    }

    private static func explain(_ word: String, _ json: Bool) throws {
        guard let explanation = Explanation(of: word) else { throw UsageError("there is no signal \"\(word)\"") }
        if json { return Terminal.print([JSON(explanation).text]) }
        Terminal.print(ExplanationText(explanation: explanation, style: Terminal.style).lines)
    }
}
