// The ladder under random inputs: whatever comes, in whatever order, it ends once, in time, and says who is left.
import TestSupport
import Testing

@testable import SignalBridge
@testable import SignalDaemon

private struct Failure: Error {}

@Suite struct LadderSequences {
    @Test(
        "whatever comes: it is over once, never stuck without a deadline, never two reloads at once", arguments: 0..<8)
    func random(_ seed: UInt64) {
        var generator = Generator(state: seed &* 0x9E37_79B9_7F4A_7C15 &+ 1)
        for _ in 0..<500 { run(&generator) }
    }

    private func run(_ generator: inout Generator) {
        let restarts = Bool.random(using: &generator)
        let policies: [SignalPolicy] = [.server, .commandLine, .nginx, .gunicorn, .uwsgi]
        let policy = policies.randomElement(using: &generator)!
        let signals = Array(policy.graceful.union(policy.hardExit).union(policy.reload))
        var ladder = Ladder(policy, loads: restarts, restarts: restarts, at: .zero)
        if !restarts { ladder.reloads.isPossible = true }
        var now = Duration.zero
        var started: Set<Int> = [0]  // what the outside runs
        var ends = 0
        var runningReloads: Set<Int> = []
        var isLoaded = !restarts

        func answer(_ actions: [Ladder.Action]) {
            for action in actions {
                #expect(ends == 0, "an action after the end")
                switch action {
                case .start(let id), .restart(let id):
                    if case .restart = action { #expect(started.isEmpty, "the old body still has \(started)") }
                    #expect(started.insert(id).inserted)
                case .startReload(let id):
                    #expect(runningReloads.isEmpty, "two reloads at once")
                    #expect(isLoaded)
                    runningReloads.insert(id)
                    started.insert(id)
                case .cancel(let id): #expect(started.contains(id))
                case .finish:
                    #expect(started.isEmpty)
                    ends += 1
                case .force: ends += 1
                case .tell, .announce: break
                }
            }
        }

        for _ in 0..<200 where ends == 0 {
            switch Int.random(in: 0..<14, using: &generator) {
            case 0:
                let signal = signals.randomElement(using: &generator)!
                let event = SignalEvent(signal, count: 1, sender: nil, value: nil, nanoseconds: 0)
                answer(ladder.signal(event, at: now))
            case 1, 2:
                now += .milliseconds(Int.random(in: 0..<6000, using: &generator))
                answer(ladder.tick(at: now))
            case 3, 4:
                let style = [ShutdownBehavior.drain, .cancel, .complete].randomElement(using: &generator)!
                if let id = ladder.add("t", .task, style, endsDaemon: false, generation: ladder.generation, at: now) {
                    #expect(ladder.phase == .running)
                    started.insert(id)
                }
            case 5:
                if let (_, actions) = ladder.addHook("h", generation: ladder.generation, at: now) { answer(actions) }
            case 6:
                if let (_, actions) = ladder.addAction(generation: ladder.generation, at: now) { answer(actions) }
            case 7:
                if !isLoaded {
                    isLoaded = true
                    answer(ladder.loaded(at: now))
                }
            case 9:
                if let id = ladder.addShield("s", at: now) { started.insert(id) }
            case 10 where Int.random(in: 0..<20, using: &generator) == 0:
                answer(ladder.shutdown(Bool.random(using: &generator) ? .requested : .cancelled, at: now))
            case 8 where Bool.random(using: &generator):
                answer(ladder.reload(at: now))
            default:
                guard let id = started.randomElement(using: &generator) else { break }
                started.remove(id)
                runningReloads.remove(id)
                let errors: [(any Error)?] = [nil, nil, nil, Failure(), CancellationError()]
                answer(ladder.ended(id, errors.randomElement(using: &generator)!, at: now))
            }
            #expect(ends == 0 ? Set(ladder.live.keys) == started : ladder.isOver)
            if ladder.purpose == .shutdown, !ladder.isOver { #expect(ladder.deadline != nil, "stuck") }
        }
        if ends == 0 {  // now it is asked, and nothing reacts any more
            let ending = policy.graceful.first ?? policy.hardExit.first!
            let event = SignalEvent(ending, count: 1, sender: nil, value: nil, nanoseconds: 0)
            answer(ladder.signal(event, at: now))
            for _ in 0..<100 where ends == 0 {
                guard let deadline = ladder.deadline else { break }
                now = max(now, deadline)
                answer(ladder.tick(at: now))
            }
        }
        #expect(ends == 1)
    }

    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }
}
