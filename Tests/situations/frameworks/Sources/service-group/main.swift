// A ServiceGroup that has signals of its own, inside a daemon: UnixSignals makes a Dispatch source for each.
import Foundation
import Logging
import ServiceLifecycle
import SignalDaemon

struct Quiet: Service {
    func run() async throws { try await gracefulShutdown() }
}

@Sendable func say(_ text: String) { FileHandle.standardOutput.write(Data("\(text)\n".utf8)) }

await Daemon.main(onTransition: { say("# \($0)") }) { daemon in
    let logger = Logger(label: "group", factory: { _ in SwiftLogNoOpLogHandler() })
    daemon.addCleanup("flush") { say("cleaned up") }
    try daemon.addTask("group") {
        try await ServiceGroup(
            services: [Quiet()], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger
        ).run()
        say("group ended")
    }
    daemon.notifyReady()
    say("ready")
    await daemon.shutdownRequested()
    say("drained")
}
