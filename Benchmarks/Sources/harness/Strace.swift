import Foundation

/// Reads strace's log.
enum Strace {
    /// System calls, and those before the contestant said that it is ready.
    static func calls(_ log: String) -> (total: Int, toReady: Int) {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        let lines = text.split(separator: "\n").filter {
            !$0.contains("resumed>") && !$0.contains("--- SIG") && !$0.contains("+++ ")
        }
        return (lines.count, lines.firstIndex { $0.contains("write(1, \"R\"") } ?? lines.count)
    }
}
