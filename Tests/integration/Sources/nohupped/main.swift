// Leaves SIGHUP alone if it is ignored, or takes it all the same, as the case says.
import Reporting
import SignalBridge

let options: SignalOptions = chosenCase() == "keep" ? .keepIgnored : []
let waiter = try SignalWaiter(.sighup, .sigusr1, .sigterm, options: options)
say("ignored: \(waiter.signalsLeftIgnored.map(\.name).sorted())")
ready()
while let event = waiter.next() {
    report(event)
    if event.signal == .sigterm { break }
}
