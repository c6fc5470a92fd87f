// pool COUNT SECONDS PROGRAM [ARGUMENT…]: keeps COUNT children running. At a shutdown each is told by SIGTERM, and killed
// after SECONDS.
import Foundation
import SignalDaemon
import Subprocess

let arguments = CommandLine.arguments
guard arguments.count > 3, let count = Int(arguments[1]), count > 0, let seconds = Int(arguments[2]) else {
    print("usage: pool COUNT SECONDS PROGRAM [ARGUMENT…]")
    exit(64)
}
let program = Executable.name(arguments[3])
let programArguments = Arguments(Array(arguments[4...]))

await Daemon.main(policy: .server.with(secondSignal: .forceExit)) { daemon in
    var options = PlatformOptions()
    options.processGroupID = 0  // its own group: Ctrl-C reaches the pool alone, and the group ends as one
    options.teardownSequence = [  // when its task is cancelled
        .send(signal: .terminate, toProcessGroup: true, allowedDurationToNextStep: .seconds(seconds))
    ]
    for number in 1...count {
        try daemon.addTask("child \(number)", onShutdown: .cancel) { [options] in
            while true {
                let result = try await run(
                    program, arguments: programArguments, platformOptions: options, input: .none,
                    output: .currentStandardOutput, error: .currentStandardError
                ) { child in
                    try daemon.adoptChild(child.processIdentifier.value)  // SIGKILL, at a forced exit only
                }
                print("child \(number): \(result.terminationStatus)")
                try await Task.sleep(for: .seconds(1))  // throws after a shutdown; otherwise the child is started again
            }
        }
    }
    daemon.notifyReady()
    await daemon.shutdownRequested()
}
