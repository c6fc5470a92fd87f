// The smallest daemon: it says what it receives and from whom, and ends when it is asked to.
import Foundation
import SignalBridge

let realtime = SignalNumber.catchable.filter(\.isRealtime).prefix(1)  // macOS has none
let events = try SignalEvents([.sighup, .sigusr1, .sigterm] + realtime)
print("ready")
fflush(nil)
for await event in events {
    print(event)
    fflush(nil)
    if event.signal == .sigterm { break }
}
