// The state machine of the shutdown under random inputs.
import TestSupport
import Testing

@testable import SignalBridge
@testable import SignalDaemon

private struct Failure: Error {}

@Suite("Random inputs of the state machine", .offPool) struct ShutdownSequenceTests {
    @Test(
        "Under random inputs it ends once, always has a deadline, and never runs two reloads at once", arguments: 0..<8)
    func random(_ seed: UInt64) {
        var generator = Generator(state: seed &* 0x9E37_79B9_7F4A_7C15 &+ 1)
        for _ in 0..<500 { run(&generator) }
    }

    private func run(_ generator: inout Generator) {
        let restarts = Bool.random(using: &generator)
        let policies: [SignalPolicy] = [.server, .commandLine, .nginx, .gunicorn, .uwsgi]
        let second = [SignalPolicy.SecondSignal.escalate, .forceExit, .ignored].randomElement(using: &generator)!
        let policy = policies.randomElement(using: &generator)!.with(
            secondSignal: second, duplicateWindow: Bool.random(using: &generator) ? .zero : .milliseconds(500))
        let signals = Array(policy.graceful.union(policy.hardExit).union(policy.reload))
        var machine = ShutdownStateMachine(policy, loads: restarts, restarts: restarts, at: .zero)
        if !restarts { machine.allowReloads(true) }
        var now = Duration.zero
        var started: Set<Int> = [0]  // what runs, as an observer of the actions knows it
        var ends = 0
        var runningReloads: Set<Int> = []
        var isLoaded = !restarts

        func perform(_ actions: [ShutdownStateMachine.Action]) {
            for action in actions {
                #expect(ends == 0, "an action after the end")
                switch action {
                case .start(let id), .startBody(let id):
                    if case .startBody = action { #expect(started.isEmpty, "the old body still has \(started)") }
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
                case .signalShutdown, .tell, .reloadEnded, .announce: break
                }
            }
        }

        for _ in 0..<200 where ends == 0 {
            switch Int.random(in: 0..<14, using: &generator) {
            case 0:
                let signal = signals.randomElement(using: &generator)!
                perform(machine.receive(.captured(signal, at: now), at: now))
            case 1, 2:
                now += .milliseconds(Int.random(in: 0..<6000, using: &generator))
                perform(machine.tick(at: now))
            case 3, 4:
                let behavior = [ShutdownBehavior.drain, .cancel, .complete].randomElement(using: &generator)!
                let (name, other) = (
                    Int.random(in: 0..<5, using: &generator), Int.random(in: 0..<10, using: &generator)
                )
                let item = WorkTable.Item(
                    name: "task \(name)", kind: .task, onShutdown: behavior, onFailure: .report,
                    after: other < 5 ? "task \(other)" : nil)
                if machine.work.isCycle(item.name, after: item.after) { break }
                if let id = machine.add(item, generation: machine.generation, at: now) {
                    #expect(machine.state.phase == .running)
                    started.insert(id)
                }
            case 5:
                let limit: Duration? =
                    Bool.random(using: &generator) ? .milliseconds(Int.random(in: -10..<3000, using: &generator)) : nil
                let added = machine.register(
                    .cleanup, "cleanup", within: limit, generation: machine.generation, at: now)
                if let (_, actions) = added { perform(actions) }
            case 6:
                if let (_, actions) = machine.register(.action, "action", generation: machine.generation, at: now) {
                    perform(actions)
                }
            case 7:
                if !isLoaded {
                    isLoaded = true
                    perform(machine.loaded(at: now))
                }
            case 9:
                if let id = machine.addShield("shield", at: now) { started.insert(id) }
            case 10 where Int.random(in: 0..<20, using: &generator) == 0:
                perform(machine.shutdown(Bool.random(using: &generator) ? .requested : .cancelled, at: now))
            case 8 where Bool.random(using: &generator):
                perform(machine.reload(at: now)?.actions ?? [])
            default:
                guard let id = started.randomElement(using: &generator) else { break }
                started.remove(id)
                runningReloads.remove(id)
                let errors: [(any Error)?] = [nil, nil, nil, Failure(), CancellationError()]
                perform(machine.ended(id, errors.randomElement(using: &generator)!, at: now))
            }
            #expect(ends == 0 ? Set(machine.work.running.keys) == started : machine.isOver)
            if machine.isShuttingDown, !machine.isOver { #expect(machine.deadline != nil, "stuck") }
        }
        if ends == 0 {  // one signal, and nothing ends by itself any more
            let ending = policy.graceful.first ?? policy.hardExit.first!
            perform(machine.receive(.captured(ending, at: now), at: now))
            for _ in 0..<100 where ends == 0 {
                guard let deadline = machine.deadline else { break }
                now = max(now, deadline)
                perform(machine.tick(at: now))
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
