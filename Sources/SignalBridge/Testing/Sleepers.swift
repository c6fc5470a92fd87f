/// The tasks that sleep on a simulated clock, and the tasks that wait for a sleeper.
final class Sleepers: Sendable {
    private struct State {
        var sleeping = Numbered<Latch>()
        var arrival = Latch()
    }
    private let state = Lock(State())

    /// The returned closure removes the sleeper.
    func add(until isDue: Latch) -> () -> Void {
        let (id, arrival) = state.withLock { ($0.sleeping.add(isDue), exchange(&$0.arrival, with: Latch())) }
        arrival.open()
        return { [self] in _ = state.withLock { $0.sleeping.remove(id) } }
    }

    /// A sleeper whose time has come no longer counts, even if it has not run yet.
    func wait() async {
        while !Task.isCancelled {
            let arrival = state.withLock { $0.sleeping.values.contains { !$0.isOpen } ? nil : $0.arrival }
            guard let arrival else { return }
            await arrival.wait()
        }
    }
}
