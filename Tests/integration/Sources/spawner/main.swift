// A parent of two children: one prints what it inherited, one waits for a signal. The case "plain" is the same program
// without a subscription, for comparison.
import Dispatch
import Reporting
import SignalBridge

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

func spawn(_ program: String, _ argument: String) -> pid_t {
    var child: pid_t = 0
    let arguments = [strdup(program), strdup(argument), nil]
    guard posix_spawn(&child, program, nil, nil, arguments, environ) == 0 else { fatalError("posix_spawn") }
    return child
}

func waitFor(_ child: pid_t) -> String {
    var status: Int32 = 0
    guard waitpid(child, &status, 0) == child else { fatalError("waitpid") }
    return status & 0x7f == 0 ? "exited \(status >> 8)" : "killed \(status & 0x7f)"
}

let term = DispatchSemaphore(value: 0)
let signals: [SignalNumber] = [.sighup, .sigint, .sigquit, .sigpipe, .sigusr1, .sigchld, .sigterm, .realtime(3)]
var subscription: SignalObserver?
if chosenCase() == "subscribed" {
    subscription = try SignalObserver(signals, options: .keepIgnored) { event in
        report(event, as: "parent ")
        if event.signal == .sigterm { term.signal() }
    }
}

say("status \(waitFor(spawn("/bin/cat", "/proc/self/status")))")
let child = spawn("/bin/sleep", "30")
say("child \(child)")
ready()
say("sleeper \(waitFor(child))")
if subscription != nil { term.wait() }
