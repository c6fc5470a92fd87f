// Swift 5 with Foundation: a lock, a class that is shared, callbacks.
import Foundation
import SignalBridge
import SignalDaemon

final class Counter {
    private let lock = NSLock()
    private var counts: [SignalNumber: Int] = [:]

    func add(_ event: SignalEvent) {
        lock.lock()
        defer { lock.unlock() }
        counts[event.signal, default: 0] += event.count
        print("\(event.signal) \(counts[event.signal]!)")
        fflush(nil)
    }
}

@main
struct Program {
    static func main() async throws {
        do {
            _ = try SignalEvents(.sigkill)
        } catch {
            print("refused: \(error.code)")
        }
        // Of the policies, this one leaves SIGHUP to the program.
        let report = try await Daemon.run(policy: .docker) { daemon in
            let counter = Counter()
            let observer = try SignalObserver(.sigusr1, queue: .main) { event in counter.add(event) }
            try daemon.addTask("hang-ups", onShutdown: .cancel) {
                for await event in try SignalEvents(.sighup) { counter.add(event) }
            }
            print("ready")
            fflush(nil)
            await daemon.shutdownRequested()
            observer.cancel()
        }
        print("ended by \(report.signal!.signal)")
        report.exit()
    }
}
