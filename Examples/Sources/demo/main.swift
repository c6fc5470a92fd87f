// `make demo`: starts the daemon as a process of its own, sends it signals from this one, and shows what arrived. Ends
// with 0 only if every signal came through as it was sent.
import Foundation
import SignalBridge

alarm(60)  // whatever happens, not for ever

let daemon = Process()
let output = Pipe()
daemon.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    .appendingPathComponent("daemon")
daemon.standardOutput = output
try daemon.run()

var buffered = Data()
/// The next line that the daemon prints; `nil` when it has closed its output.
@MainActor func nextLine() -> String? {
    while true {
        if let end = buffered.firstIndex(of: UInt8(ascii: "\n")) {
            defer { buffered = Data(buffered[(end + 1)...]) }
            return String(decoding: buffered[..<end], as: UTF8.self)
        }
        let more = output.fileHandleForReading.availableData
        if more.isEmpty { return nil }
        buffered.append(more)
    }
}

func say(_ line: String) {
    print(line)
    fflush(nil)
}

@MainActor func fail(_ reason: String) -> Never {
    say("demo: FAILED: \(reason)")
    if daemon.isRunning { try? SignalNumber.sigkill.send(to: daemon.processIdentifier) }
    exit(1)
}

guard nextLine() == "ready" else { fail("the daemon did not start") }
let me = "from pid \(getpid()) (uid \(getuid()))"
say("daemon has pid \(daemon.processIdentifier); this is pid \(getpid())")

var signals: [(signal: SignalNumber, value: Int?)] = [(.sighup, nil), (.sighup, nil), (.sigusr1, nil), (.sigterm, nil)]
if SignalNumber.catchable.contains(.realtime(0)) { signals.insert((.realtime(0), 4242), at: 3) }  // macOS has none
for (signal, value) in signals {
    let what = value.map { "\(signal) with the value \($0)" } ?? "\(signal)"
    say("  sent \(what)")
    try signal.send(to: daemon.processIdentifier, value: value)
    guard let line = nextLine() else { fail("the daemon ended without saying that it got \(what)") }
    say("  daemon received \(line)")
    let expected = value.map { "\(signal) \(me), value \($0)" } ?? "\(signal) \(me)"
    if line != expected { fail("expected \"\(expected)\"") }
}

daemon.waitUntilExit()
guard daemon.terminationReason == .exit, daemon.terminationStatus == 0 else { fail("the daemon did not end cleanly") }
say("demo: all \(signals.count) signals came through as sent; the daemon ended by itself, with 0")
