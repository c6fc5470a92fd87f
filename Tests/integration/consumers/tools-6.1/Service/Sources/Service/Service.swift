import SignalBridge
import SignalDaemon

/// The interface through which the program gets signals.
public final class Service: Sendable {
    private let events: SignalEvents
    private let observer: SignalObserver

    /// Says each signal, and how many of its kind have come.
    public init(say: @escaping @Sendable (String) -> Void) throws {
        events = try SignalEvents(.sighup)
        observer = try SignalObserver(.sigusr1) { event in say("\(event.signal) \(event.count)") }
    }

    /// Returns when a signal asks the program to end, and says which.
    public func run(say: @escaping @Sendable (String) -> Void) async throws -> String {
        // Of the policies, this one leaves SIGHUP to the program.
        let report = try await Daemon.run(policy: .docker) { [events] daemon in
            try daemon.addTask("hang-ups", onShutdown: .cancel) {
                var count = 0
                for await event in events {
                    count += event.count
                    say("\(event.signal) \(count)")
                }
            }
            say("ready")
            await daemon.shutdownRequested()
        }
        observer.cancel()
        return "\(report.signal!.signal)"
    }
}
