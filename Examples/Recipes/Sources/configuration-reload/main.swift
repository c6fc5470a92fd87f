// A daemon that reads its configuration file again on SIGHUP, with Swift Configuration. A broken file, or one with a value
// that makes no sense, leaves the old settings in use.
//
//     swift run --package-path Examples/Recipes configuration-reload FILE.json      kill -HUP PID
//
// FILE.json: {"greeting": "hello", "interval": 200}, the interval in milliseconds; $GREETING overrides the file's.
import Configuration
import Foundation
import Logging
import SignalDaemon
import SystemPackage

let logger = Logger(label: "greeter")
let path = CommandLine.arguments.dropFirst().first ?? "greeter.json"

/// The settings that the program uses. They are read together and checked, so that no part of them is new alone.
struct Settings {
    let greeting: String
    let interval: Duration

    init(_ snapshot: ConfigSnapshotReader) throws {
        greeting = try snapshot.requiredString(forKey: "greeting")
        let milliseconds = snapshot.int(forKey: "interval", default: 200)
        guard milliseconds > 0 else { throw ConfigurationError(description: "interval must be positive") }
        interval = .milliseconds(milliseconds)
    }
}

struct ConfigurationError: Error, CustomStringConvertible { let description: String }

actor Greeter {
    private var settings: Settings

    init(_ settings: Settings) { self.settings = settings }
    func use(_ settings: Settings) { self.settings = settings }

    func greet() async throws {
        while true {
            logger.info("says \(settings.greeting)")
            try await Task.sleep(for: settings.interval)
        }
    }
}

await Daemon.main(onTransition: { logger.log($0) }) { daemon in
    // The provider is read again on request, and not run as a service: its run() has a signal source of its own.
    let provider = try await ReloadingFileProvider<JSONSnapshot>(filePath: FilePath(path))
    let configuration = ConfigReader(providers: [EnvironmentVariablesProvider(), provider])

    let greeter = Greeter(try Settings(configuration.snapshot()))
    try daemon.onReload(refresh: provider) { _ in
        await greeter.use(try Settings(configuration.snapshot()))
    }
    daemon.notifyReady()
    try await daemon.cancelOnShutdown { try await greeter.greet() }
}
