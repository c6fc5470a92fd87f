// snippet.hide
// A signal that cancels a group of tasks.
// signals: TERM
// snippet.show
import SignalBridge

await withTaskGroup(of: Void.self) { group in
    for worker in 1...3 {
        group.addTask {
            while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
            print("worker \(worker) stops")
        }
    }
    do {
        if let event = try await nextSignal(.sigint, .sigterm) { print("asked to end: \(event)") }
    } catch {
        print("cannot wait for signals: \(error)")
    }
    group.cancelAll()
}
