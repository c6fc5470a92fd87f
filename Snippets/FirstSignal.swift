// snippet.hide
// Signals as an asynchronous sequence: the first example of the documentation.
// signals: HUP TERM
func reloadConfiguration() {}
// snippet.show
import SignalBridge

let events = try SignalEvents(.sighup, .sigterm)  // from here on, nothing is lost
for await event in events {
    print(event)  // SIGHUP from pid 4242 (uid 1000)
    switch event.signal {
    case .sighup: reloadConfiguration()
    default: events.finish()  // restores what was there; the loop ends
    }
}
