// snippet.hide
// A child process that a forced exit does not leave behind.
// signals: TERM
import Foundation
import SignalDaemon

// snippet.show
await Daemon.main { daemon in
    let child = Process()
    child.executableURL = URL(fileURLWithPath: "/bin/sleep")
    child.arguments = ["600"]
    try child.run()
    try daemon.adoptChild(child.processIdentifier)  // SIGKILL, at a forced exit only
    await daemon.shutdownRequested()
    child.terminate()
}
