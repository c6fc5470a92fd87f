// snippet.hide
// Why does my signal not arrive?
import SignalBridge

// snippet.show
let events = try SignalEvents(.sigusr2)
let diagnostics = try SignalDiagnostics(for: .sigusr2)
print(diagnostics.explanation)  // SIGUSR2: armed; it will arrive
if diagnostics.isDisplaced { try SignalNumber.sigusr2.rearm() }

try SignalNumber.sigpipe.setDisposition(.ignore)  // writes fail with EPIPE instead
do {
    _ = try SignalEvents(.sigkill)
} catch {
    print(error)  // SIGKILL cannot be caught by any process; use SIGTERM to be asked to end
}
