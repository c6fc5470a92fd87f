// A daemon that does nothing until it is asked to end.
import Reporting
import SignalDaemon

let report = try await Daemon.run { daemon in
    ready()
    await daemon.shutdownRequested()
}
report.exit()
