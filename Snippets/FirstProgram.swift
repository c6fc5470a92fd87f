// snippet.hide
// A program that receives SIGTERM, prints the sender, and ends: the first example of the README.
// signals: TERM
// snippet.show
import SignalBridge

let events = try SignalEvents(.sigterm)
for await event in events {
    print(event)
    // SIGTERM from pid 4242 (uid 1000)
    events.finish()  // the loop ends
}
