// snippet.hide
// The same over signalfd(2), in a program whose first thread blocks the signals before there is another.
// signals: USR1 TERM
import SignalBridge

#if os(Linux)
    // snippet.show
    let loop = try SignalLoop(mechanism: .signalfd)
    let events = try SignalEvents(.sigusr1, .sigterm, loop: loop)  // blocks them in this thread, and in those it starts

    try loop.run {
        for await event in events {
            if event.signal == .sigterm { break }
            print("\(event), from the kernel's own queue")
        }
    }
// snippet.hide
#endif
