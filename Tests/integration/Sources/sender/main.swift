// sender PID SIGNAL [VALUE...]: sends by the library's own call, which can queue values, as kill(1) cannot.
import Reporting
import SignalBridge

let arguments = CommandLine.arguments
guard arguments.count >= 3, let process = Int32(arguments[1]), let signal = SignalNumber(name: arguments[2]) else {
    fatalError("usage: sender PID SIGNAL [VALUE...]")
}
if arguments.count == 3 { try signal.send(to: process) }
for value in arguments.dropFirst(3) { try signal.send(to: process, value: Int(value)) }
