// Hummingbird's runService(), which installs handlers of its own, inside a daemon.
import Foundation
import Hummingbird
import Logging
import SignalDaemon

@Sendable func say(_ text: String) { FileHandle.standardOutput.write(Data("\(text)\n".utf8)) }

await Daemon.main(onTransition: { say("# \($0)") }) { daemon in
    let router = Router()
    router.get("/") { _, _ in "hello" }
    let application = Application(
        router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
        onServerRunning: { _ in
            daemon.notifyReady()
            say("ready")
        }, logger: Logger(label: "server", factory: { _ in SwiftLogNoOpLogHandler() }))
    daemon.addCleanup("flush") { say("cleaned up") }
    try daemon.addTask("server") {
        try await application.runService()
        say("server ended")
    }
    await daemon.shutdownRequested()
    say("drained")
}
