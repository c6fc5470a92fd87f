// snippet.hide
// Signals for the length of a scope.
// signals: USR1 USR1 INT
// snippet.show
import SignalBridge

try await withSignalEvents(.sigusr1, .sigint) { events in
    for await event in events {
        if event.signal == .sigint { break }
        print("progress, asked \(event.count) times")
    }
}
print("from here on, SIGINT does again what it did before")
