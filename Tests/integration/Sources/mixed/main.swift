// Several subscribers to the same signal. "twice": all of them of this library. "before", "after": also a signal source
// of Dispatch, made before or after the subscription.
import Dispatch
import Reporting
import SignalBridge

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

func makeSource() -> any DispatchSourceSignal {
    let source = DispatchSource.makeSignalSource(signal: SIGUSR1, queue: .global())
    source.setEventHandler { @Sendable in say("source") }
    source.activate()
    usleep(300_000)  // Dispatch installs its handler on a thread of its own
    return source
}

func sayState() throws {
    let look = try SignalDiagnostics(for: .sigusr1)
    say("state armed \(look.isArmed) displaced \(look.isDisplaced): \(look.explanation)")
}

var kept: [Any] = []
if chosenCase() == "before" { kept.append(makeSource()) }
kept.append(try SignalObserver(.sigusr1) { _ in say("subscription") })
kept.append(
    try SignalObserver(.sigusr2, .sigterm) { event in
        if event.signal == .sigterm { exit(0) }
        try? SignalNumber.sigusr1.rearm()
        try? sayState()
    })
if chosenCase() == "after" { kept.append(makeSource()) }
if chosenCase() == "twice" {
    let first = try SignalEvents(.sigusr1)
    let second = try SignalEvents(.sigusr1)
    Task { for await event in first { report(event, as: "first ") } }
    Task { for await event in second { report(event, as: "second ") } }
}
try sayState()
ready()
dispatchMain()
