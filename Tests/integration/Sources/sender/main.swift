// sender PID SIGNAL [VALUE...]: kill(1) cannot queue values, and this shows that the library's own sending works.
import Reporting
import SignalBridge

let arguments = CommandLine.arguments
guard arguments.count >= 3, let process = Int32(arguments[1]), let signal = SignalNumber(name: arguments[2]) else {
    fatalError("usage: sender PID SIGNAL [VALUE...]")
}
if arguments.count == 3 { try signal.send(to: process) }
for value in arguments.dropFirst(3) { try signal.send(to: process, value: Int(value)) }
