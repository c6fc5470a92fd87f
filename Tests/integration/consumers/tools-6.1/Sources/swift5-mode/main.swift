// Swift 5 mode, threads, and top-level variables that everything shares.
import Foundation
import SignalBridge
import SignalDaemon

var hangUps = 0
var users = 0

let observer = try SignalObserver(.sighup, queue: .main) { event in
    hangUps += event.count
    print("\(event.signal) \(hangUps)")
    fflush(nil)
}
let waiter = try SignalWaiter(.sigusr1)

Thread.detachNewThread {
    // Of the policies, this one leaves SIGHUP to the program.
    let report = try! Daemon.runBlocking(policy: .docker) { daemon in
        try daemon.addThread("users") { stop in
            while !stop.isRequested {
                guard let event = waiter.next(timeout: .seconds(30)) else { continue }
                users += event.count
                print("\(event.signal) \(users)")
                fflush(nil)
            }
        }
        daemon.onGracefulShutdown { waiter.cancel() }
        print("ready")
        fflush(nil)
        daemon.waitForShutdown()
    }
    print("ended by \(report.signal!.signal)")
    report.exit()
}
dispatchMain()
