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
if chosenCase() == "ignored" { try SignalNumber.sigusr1.setDisposition(.ignore) }

/// Subscriptions that a thread of the program or of the library waits for. On Linux they need no descriptor.
func subscribeWithoutDescriptors() throws -> Any {
    let subscription = try SignalObserver(.sigusr1, .sigterm) { report($0) }
    let events = try SignalEvents(.sigusr1, .sigterm)
    Task.detached { for await event in events { report(event) } }
    let waiter = try SignalWaiter(.sigusr1, .sigterm)
    startThread { while let event = waiter.next() { report(event) } }
    return subscription
}

/// A subscription for which the program has asked for a descriptor.
func subscribeWithDescriptor() throws -> Any {
    let loop = try SignalLoop()
    _ = loop.fileDescriptor
    let events = try SignalEvents(.sigusr1, .sigterm, loop: loop)
    startThread { try? loop.run { for await event in events { report(event) } } }
    return loop
}

let subscription = try chosenCase() == "hears" ? subscribeWithoutDescriptors() : subscribeWithDescriptor()
usleep(500_000)  // all of them are waiting by now

for descriptor: Int32 in 3..<1024 { close(descriptor) }
for number in 0..<64 { _ = open("\(directory)/\(number)", O_RDWR | O_CREAT, 0o600) }
ready()
withExtendedLifetime(subscription) { sleepForEver() }
