// snippet.hide
// An exit code that the program chooses.
import SignalDaemon

// snippet.show
let report = try await Daemon.run { daemon in
    daemon.shutdown(exitCode: 75)  // EX_TEMPFAIL of sysexits.h: the supervisor tries again later
}
print(report.exitStatus)  // exit code 75
// snippet.hide
precondition(report.exitStatus == .code(75))
