// snippet.hide
// A child that a task starts, and that can be ended.
import Foundation
import SignalBridge

try await Task.detached {
    // snippet.show
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sleep")
    process.arguments = ["600"]
    try withOriginalSignalMask { try process.run() }
    process.terminate()  // SIGTERM: from a task, without the scope, it would not end
    process.waitUntilExit()
    // snippet.hide
    guard process.terminationStatus == SIGTERM else { exit(1) }
}.value
// snippet.show
