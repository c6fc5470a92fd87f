// The main thread is in Foundation's run loop, and goes on when the daemon beside it has ended.
import Foundation
import SignalDaemon

@MainActor final class Meter {
    private var ticks = 0
    private var timer: Timer?

    func start() {
        timer = Timer.scheduledTimer(withTimeInterval: 0.05, repeats: true) { _ in
            MainActor.assumeIsolated { self.ticks += 1 }
        }
    }

    func stop() {
        timer?.invalidate()
        print("\(ticks > 0 ? "ticked" : "never ticked"), on the main thread: \(Thread.isMainThread)")
    }
}

let meter = Meter()
let daemon = Task.detached {
    try await Daemon.run { daemon in
        await meter.start()
        daemon.onGracefulShutdown { await meter.stop() }  // in the run loop, as everything of the main actor
        daemon.notifyReady()
        await daemon.shutdownRequested()
    }
}
var ending: Result<DaemonReport<Void>, any Error>?
Task { ending = await daemon.result }
while ending == nil { _ = RunLoop.main.run(mode: .default, before: .distantFuture) }
print("the run loop is left")
try ending!.get().exit()
