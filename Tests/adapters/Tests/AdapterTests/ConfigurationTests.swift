// Reloads of a provider of swift-configuration.
import Configuration
import Foundation
import SignalBridge
import SignalDaemon
import Synchronization
import SystemPackage
import Testing

/// A configuration file, which is removed with this.
private final class GreeterFile: Sendable {
    let path = FileManager.default.temporaryDirectory.appending(path: "greeter-\(UUID()).json").path()
    private let age = Mutex(1000.0)

    init() throws { try write(#"{ "greeting": "hello" }"#) }
    deinit { try? remove() }

    /// Each time with a modification time of its own, because the provider reads no file that has the same one.
    func write(_ text: String) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let age = age.withLock { age in
            age -= 10
            return age
        }
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: path)
    }

    func remove() throws { try FileManager.default.removeItem(atPath: path) }
}

@Suite("A daemon's reload and swift-configuration", .timeLimit(.minutes(2))) struct ConfigurationTests {
    private let steps = Steps()
    private let file: GreeterFile

    init() throws { file = try GreeterFile() }

    private func makeProvider() async throws -> ReloadingFileProvider<JSONSnapshot> {
        try await ReloadingFileProvider<JSONSnapshot>(filePath: FilePath(file.path))
    }

    @Test("SIGHUP reads the file again; a broken or missing one fails the reload, and the old values stay")
    func hangup() async throws {
        let provider = try await makeProvider()
        let configuration = ConfigReader(provider: provider)
        func greeting() -> String { configuration.string(forKey: "greeting", default: "none") }
        let report = try await simulate { [steps] daemon in
            try daemon.onReload(refresh: provider) { snapshot in
                steps.add("applied \(snapshot.string(forKey: "greeting", default: "none"))")
            }
        } onTransition: { [steps] transition in
            if case .reloadFailed(let error) = transition { steps.add("failed: \(error is ConfigurationReloadError)") }
        } drive: { simulator in
            #expect(greeting() == "hello")
            try file.write(#"{ "greeting": "good evening" }"#)
            try simulator.send(.sighup)
            try await steps.wait(for: "applied good evening")
            #expect(greeting() == "good evening")
            try file.write(#"{ "greeting": "#)
            try simulator.send(.sighup)
            try await steps.wait(for: "failed: true")
            #expect(greeting() == "good evening")
            try file.remove()
            try simulator.send(.sighup)
            while steps.all.count < 3 { try await Task.sleep(for: .milliseconds(2)) }
            #expect(greeting() == "good evening")
            try file.write(#"{ "greeting": "good night" }"#)
            try simulator.send(.sighup)
            try await steps.wait(for: "applied good night")
            try simulator.send(.sigterm)
        }
        #expect(steps.all == ["applied good evening", "failed: true", "failed: true", "applied good night"])
        #expect(report.reloads == 2)
        #expect(report.failedReloads.count == 2)
        let error = try #require(report.failedReloads.first as? ConfigurationReloadError)
        #expect(error.providerName == provider.providerName)
        #expect(error.description.hasPrefix("\(provider.providerName) keeps its old values: "))
        #expect(report.exitStatus == .code(0))
    }

    @Test("reload() answers with the error of the file, or of what applies it")
    func answers() async throws {
        let provider = try await makeProvider()
        _ = try await simulate { [file] daemon in
            try daemon.onReload(refresh: provider) { snapshot in
                if snapshot.string(forKey: "greeting") == "rude" { throw Broken() }
            }
            try await daemon.reload()
            try file.write("no JSON")
            await #expect(throws: ConfigurationReloadError.self) { try await daemon.reload() }
            try file.write(#"{ "greeting": "rude" }"#)
            await #expect(throws: Broken.self) { try await daemon.reload() }
            try file.write(#"{ "greeting": "polite" }"#)
            try await daemon.reload()
            daemon.shutdown()
        } drive: { _ in
        }
        #expect(ConfigReader(provider: provider).string(forKey: "greeting") == "polite")
    }

    @Test("Code that watches a value gets the new one")
    func watches() async throws {
        let provider = try await makeProvider()
        let configuration = ConfigReader(provider: provider)
        _ = try await simulate { [steps] daemon in
            try daemon.addTask("watcher", onShutdown: .cancel) {
                try await configuration.watchString(forKey: "greeting") { updates in
                    for await value in updates { steps.add(value ?? "none") }
                }
            }
            try daemon.onReload(refresh: provider)
        } drive: { simulator in
            try await steps.wait(for: "hello")
            try file.write(#"{ "greeting": "good evening" }"#)
            try simulator.send(.sighup)
            try await steps.wait(for: "good evening")
            try simulator.send(.sigterm)
        }
    }

    @Test("A policy without a reload signal is an error")
    func noSignals() async throws {
        let provider = try await makeProvider()
        let report = try await withSimulatedSignals { _ in
            try await Daemon.run(policy: .commandLine) { daemon in
                do throws(SignalBridgeError) {
                    try daemon.onReload(refresh: provider)
                    Issue.record("it was accepted")
                } catch {
                    let code = error.code
                    #expect(code == .noSignals)
                }
            }
        }
        #expect(report.exitStatus == .code(0))
    }
}
