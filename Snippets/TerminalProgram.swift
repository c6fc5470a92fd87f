// A program that fills a terminal: it leaves the alternate screen at every end, and suspends on Ctrl-Z.
// snippet.hide
// signals: TSTP CONT TERM CONT
import Foundation
import SignalBridge
import SignalDaemon

// snippet.show
@Sendable func show(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
@Sendable func enterScreen() { show("\u{1B}[?1049h\u{1B}[2J") }
@Sendable func leaveScreen() { show("\u{1B}[?1049l") }

await Daemon.main(policy: .commandLine) { daemon in
    daemon.atExit(leaveScreen)  // last of all, and at a forced exit too
    enterScreen()
    try daemon.onSignal(.sigtstp) { _ in  // Ctrl-Z
        leaveScreen()
        try? SignalNumber.sigtstp.performDefaultAction()  // the process stops here
    }
    try daemon.onSignal(.sigcont) { _ in enterScreen() }  // fg
    await daemon.shutdownRequested()
}
