// A daemon that closes every descriptor after start-up, the library's among them, then opens files, which get the
// same numbers: closer CASE DIRECTORY.
import Reporting
import SignalBridge

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

let directory = CommandLine.arguments[2]
if chosenCase() == "ignored" { try SignalDisposition.set(.ignore, for: .sigusr1) }

let subscription = try SignalSubscription(.sigusr1, .sigterm) { report($0) }
let events = try SignalEvents(.sigusr1, .sigterm)
Task.detached { for await event in events { report(event) } }
let waiter = try SignalWaiter(.sigusr1, .sigterm)
startThread { while let event = waiter.next() { report(event) } }
usleep(500_000)  // all of them are waiting by now

for descriptor: Int32 in 3..<1024 { close(descriptor) }
for number in 0..<64 { _ = open("\(directory)/\(number)", O_RDWR | O_CREAT, 0o600) }
ready()
withExtendedLifetime(subscription) { sleepForEver() }
