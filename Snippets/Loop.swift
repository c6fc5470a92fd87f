// snippet.hide
// The main thread runs asynchronous code and reads the signals for it, with no other thread.
// signals: HUP TERM
import SignalBridge

// snippet.show
let loop = try SignalLoop()
let events = try SignalEvents(.sighup, .sigterm, loop: loop)  // first thing in main: nothing is lost from here on

let reloads = try loop.run {  // on this thread, the main one
    var reloads = 0
    for await event in events {
        if event.signal == .sigterm { break }
        reloads += 1
        print("reload \(reloads), says \(event)")
    }
    return reloads
}
print("ended after \(reloads)")
