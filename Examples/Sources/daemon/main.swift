// The smallest daemon: it says what it receives and from whom, and ends when it is asked to.
import Foundation
import SignalBridge

var signals: [SignalNumber] = [.sighup, .sigusr1, .sigterm]
if let realtime = SignalNumber.catchable.first(where: \.isRealtime) { signals.append(realtime) }  // macOS has none
let events = try SignalEvents(signals)
print("ready")
fflush(nil)
for await event in events {
    print(event)
    fflush(nil)
    if event.signal == .sigterm { break }
}
