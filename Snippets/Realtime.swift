// snippet.hide
// Realtime signals carry a value, and each one arrives.
import SignalBridge

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// snippet.show
let jobs = try SignalEvents(.realtime(0))
for number in 1...3 { try SignalNumber.realtime(0).send(to: getpid(), value: number) }
for await event in jobs {
    print(event)  // SIGRTMIN from pid 4242 (uid 1000), value 1
    if event.value == 3 { break }
}
