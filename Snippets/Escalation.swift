// snippet.hide
// Nobody answers the first SIGTERM, or its clean-up hangs: the second one ends the process, whatever its threads do.
// signals: TERM
import SignalBridge

func shutDown() async {}
// snippet.show
let events = try SignalEvents(.sigterm, escalateAfterUnread: 2)
for await event in events {
    print("shutting down, because of \(event)")
    // The first SIGTERM is consumed. From here on, the next one kills.
    let force = try SignalEvents(.sigterm, escalateAfterUnread: 1)
    await shutDown()
    force.finish()
    break
}
