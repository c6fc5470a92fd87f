// The lines that the programs print for the driver. Without Foundation, because half of the programs test that.
import SignalBridge

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// One line in one write(2), so that the lines of several threads do not mix, and none is lost in a buffer at the end.
public func say(_ line: String) {
    let text = line + "\n"
    _ = text.utf8.withContiguousStorageIfAvailable { write(1, $0.baseAddress, $0.count) }
}

/// Tells the driver that signals may come.
public func ready() {
    say("ready")
}

/// Such as "SIGHUP x1 from 4242/1000 kill -": the driver compares the whole line.
public func report(_ event: SignalEvent, as subscriber: String = "") {
    let sender = event.sender.map { "\($0.processID)/\($0.userID)" } ?? "nobody"
    let value = event.value.map(String.init) ?? "-"
    say("\(subscriber)\(event.signal) x\(event.count) from \(sender) \(event.cause) \(value)")
}

/// The first argument: which of its cases a program is to be.
public func chosenCase() -> String {
    CommandLine.arguments.dropFirst().first ?? ""
}
