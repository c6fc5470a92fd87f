// snippet.hide
// Signals as calls on a dispatch queue, in a program that is parked in dispatchMain().
// signals: HUP TERM
import Dispatch
import SignalBridge

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// snippet.show
let reload = try SignalObserver(.sighup, queue: .main) { event in
    print("reload, says \(event)")
}
let end = try SignalObserver(.sigterm, .sigint, queue: .main) { event in
    reload.cancel()  // no call of its handler starts after this
    exit(0)
}
dispatchMain()
