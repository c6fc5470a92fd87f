// A second SIGTERM ends the process, whatever its threads are doing.
// signals: TERM
// snippet.hide
import SignalBridge

func shutDown() async {}
// snippet.show
let events = try SignalEvents(.sigterm, options: .escalate(.sigterm, unread: 2))
for await event in events {
    print("shutting down, because of \(event)")
    await shutDown()
    break
}
