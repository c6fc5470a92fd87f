// snippet.hide
// Worker threads, with the same shutdown as tasks have.
// signals: TERM
import SignalBridge
import SignalDaemon

@Sendable func work() {}

func serve() throws {
    // snippet.show
    let report = try Daemon.runBlocking { daemon in
        for number in 1...2 {
            try daemon.addThread("worker \(number)") { stop in
                while !stop.wait(timeout: .milliseconds(100)) { work() }
                print("worker \(number): done")
            }
        }
    }
    report.exit()
    // snippet.hide
}

try serve()
