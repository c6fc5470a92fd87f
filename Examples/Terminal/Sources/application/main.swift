// The main thread never returns from its run loop, as in AppKit; the daemon beside it ends the process.
import Foundation
import SignalBridge
import SignalDaemon

/// The state of the main thread: in AppKit, the application's delegate.
@MainActor final class Editor {
    private var characters = 0
    private var timer: Timer?

    func open(quit: @escaping @Sendable () -> Void) {
        timer = Timer.scheduledTimer(withTimeInterval: 0.05, repeats: true) { _ in
            MainActor.assumeIsolated {  // what a key press or a menu item would do
                self.characters += 1
                if self.characters == 5, CommandLine.arguments.contains("quit") { quit() }
                if self.characters == 5, CommandLine.arguments.contains("hang") { Thread.sleep(forTimeInterval: 3600) }
            }
        }
    }

    func save() {
        print("saved \(characters > 0 ? "text" : "nothing"), on the main thread: \(Thread.isMainThread)")
        characters = 0
    }
}

let editor = Editor()
let saving = try SignalObserver(.sigusr1, queue: .main) { _ in MainActor.assumeIsolated { editor.save() } }

Task.detached {
    await Daemon.main { daemon in
        await editor.open { daemon.shutdown() }  // Quit is a shutdown, too
        daemon.addCleanup("documents") { await editor.save() }
        daemon.notifyReady()
        await daemon.shutdownRequested()
    }
}
while true { RunLoop.main.run() }  // NSApplication.shared.run()
