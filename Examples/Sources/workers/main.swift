// Threads that finish their job on Ctrl-C.
//
//     swift run --package-path Examples workers               Ctrl-C: each thread finishes its job
//     swift run --package-path Examples workers --stubborn    Ctrl-C: one of them never does
//
// The stubborn one is abandoned after three seconds: the exit is forced. `echo $?` says 130 in both cases: the process
// died by SIGINT, so a shell's loop around it stops too.
import Foundation
import SignalDaemon

func say(_ line: String) {
    print(line)
    fflush(nil)  // also where stdout is no terminal
}

let policy = SignalPolicy.server.with(gracePeriod: .seconds(2), cancelPeriod: .seconds(1))

let report = try Daemon.runBlocking(
    policy: policy, onTransition: { say("daemon: \($0)") }, onForcedExit: { say("cut off:\n\($0)") }
) { daemon in
    for number in 1...3 {
        try daemon.addThread("worker \(number)") { stop in
            var jobs = 0
            while !stop.isRequested {
                Thread.sleep(forTimeInterval: 0.1)  // a job, which is always finished
                jobs += 1
            }
            say("worker \(number) stops after its job \(jobs)")
        }
    }
    if CommandLine.arguments.contains("--stubborn") {
        try daemon.addThread("stubborn") { _ in
            while true { Thread.sleep(forTimeInterval: 3600) }
        }
    }
    daemon.notifyReady()
    say("working, with pid \(getpid())")
    daemon.waitForShutdown()
    say("stopping")
}
say("\(report)")
report.exit()
