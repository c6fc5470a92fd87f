// snippet.hide
// A daemon under s6, which reads a line from descriptor 3 when the daemon is ready.
// signals: TERM
import Foundation
import SignalDaemon

_ = dup2(open("/dev/null", O_WRONLY), 3)

// snippet.show
await Daemon.main(supervisor: .fromEnvironment.withReadinessDescriptor(3)) { daemon in
    daemon.notifyReady()
    await daemon.shutdownRequested()
}
