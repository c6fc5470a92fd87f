import SignalBridge

/// The options of a command, and its only operand.
struct CommandOptions {
    private(set) var json = false
    private(set) var signal = SignalNumber.sigterm
    private(set) var interval = Duration.milliseconds(500)
    private(set) var operand: String?

    /// Reads options. An option's value is the next argument, or follows "=". After "--" there are no options.
    mutating func parse(_ arguments: ArraySlice<String>, of verb: String) throws(UsageError) {
        var rest = arguments
        var mayBeOption = true
        while let argument = rest.popFirst() {
            if mayBeOption && argument == "--" {
                mayBeOption = false
                continue
            }
            guard mayBeOption && argument.hasPrefix("-") else {
                if let operand { throw UsageError("\(verb) takes one operand, not \"\(operand)\" and \"\(argument)\"") }
                operand = argument
                continue
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            switch (parts[0], verb) {
            case ("--json", _) where parts.count == 1: json = true
            case ("--signal", "inspect"), ("--signal", "watch"):
                signal = try Self.signal(try Self.value(of: parts, or: &rest))
            case ("--interval", "watch"): interval = try Self.interval(try Self.value(of: parts, or: &rest))
            default: throw UsageError("\(verb) has no option \(argument)")
            }
        }
    }

    private static func value(of parts: [String], or rest: inout ArraySlice<String>) throws(UsageError) -> String {
        guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
            throw UsageError("\(parts[0]) needs a value")
        }
        return value
    }

    private static func signal(_ word: String) throws(UsageError) -> SignalNumber {
        guard let signal = SignalNumber(word: word) else { throw UsageError("there is no signal \"\(word)\"") }
        return signal
    }

    private static func interval(_ word: String) throws(UsageError) -> Duration {
        guard let seconds = Double(word), seconds >= 0.01, seconds <= 86400 else {
            throw UsageError("\"\(word)\" is not an interval: a number of seconds from 0.01 to 86400")
        }
        return .seconds(seconds)
    }
}
