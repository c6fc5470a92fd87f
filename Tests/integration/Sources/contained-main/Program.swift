// The program `contained` with an asynchronous main function.
import Reporting
import SignalDaemon

@main
struct Program {
    static func main() async throws {
        try SignalInit.runIfNeeded()
        await Daemon.main(policy: .docker) { daemon in
            daemon.addCleanup("last") { say("cleaned up") }
            await Task.detached { ready() }.value
            await daemon.shutdownRequested()
        }
    }
}
