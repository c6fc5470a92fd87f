// Reload with swift-configuration: SIGHUP is the daemon's, and a broken file is a reload that failed.
// snippet.hide
//
//     greeter FILE.json    HUP: reads it again; USR1: reloads on request, and says the answer; USR2: says what is configured
//     greeter FILE.json --run-provider    the provider runs too, as a service, and traps SIGHUP beside the daemon
import Configuration
import Logging
import ServiceLifecycle
import SignalDaemon
import SystemPackage

let logger = Logger(label: "greeter")
let path = FilePath(CommandLine.arguments[1])

// snippet.show
let provider = try await ReloadingFileProvider<JSONSnapshot>(filePath: path)
let configuration = ConfigReader(provider: provider)

await Daemon.main(onTransition: { logger.log($0) }) { daemon in
    try daemon.onReload(refresh: provider) { configuration in
        let greeting = try configuration.requiredString(forKey: "greeting")
        logger.info("the greeting is \(greeting)")
    }
    // snippet.hide
    try daemon.onSignal(.sigusr1) { _ in
        do {
            try await daemon.reload()
            logger.info("answer: reloaded")
        } catch {
            logger.info("answer: \(error)")
        }
    }
    try daemon.onSignal(.sigusr2) { _ in
        logger.info("still \(configuration.string(forKey: "greeting", default: "none"))")
    }
    if CommandLine.arguments.contains("--run-provider") { try daemon.addService("provider", provider) }
    logger.info("ready")
    // snippet.show
    daemon.notifyReady()
    await daemon.shutdownRequested()
}
