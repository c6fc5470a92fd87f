// The library's contestants: `ours NAME MODE [COUNT]`, see contestants/README.md for what the harness expects of one.
import CBench
import Dispatch
import SignalBridge
import SignalDaemon
import Synchronization

/// What a contestant listens to, and what it does with an event.
enum Mode: String {
    case pingpong, storm, saturated

    var signals: [SignalNumber] { self == .storm ? [SignalNumber(rawValue: 40), .sigusr2] : [.sigusr1] }

    func got(_ event: SignalEvent) {
        if self != .storm { return bench_got() }
        if event.signal == .sigusr2 { bench_report() }
        if let value = event.value, event.count == 1 {
            bench_account(UInt64(value))
        } else {
            bench_account_merged(UInt64(event.count))
        }
    }
}

@main
enum Ours {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3, let mode = Mode(rawValue: arguments[2]) else { exitWithUsage() }
        let count = arguments.count > 3 ? Int(arguments[3])! : 1
        if mode == .saturated { saturate() }
        switch arguments[1] {
        case "nothing-swift": nothing()
        case "nothing-async": nothingAsync()
        case "waiter": try waiter(mode)
        case "observer": try observer(mode)
        case "events": try events(mode, subscribers: count)
        case "loop-handler": try loop(mode, .handler)
        case "loop-signalfd": try loop(mode, .signalfd)
        case "daemon": daemon()
        case "streams": streams(count)
        default: exitWithUsage()
        }
    }

    static func exitWithUsage() -> Never {
        print(
            "ours: nothing-swift, nothing-async, waiter, observer, events, loop-handler, loop-signalfd, daemon or streams; pingpong, storm or saturated"
        )
        exit(2)
    }

    /// The baseline: Swift's runtime, Dispatch, and no signal.
    static func nothing() -> Never {
        bench_ready()
        park()
    }

    /// The same with a task that waits, which is more than nothing: Dispatch looks after the pool that it runs on.
    static func nothingAsync() -> Never {
        Task.detached {
            bench_ready()
            await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
        }
        park()
    }

    static func waiter(_ mode: Mode) throws {
        let waiter = try SignalWaiter(mode.signals)
        bench_ready()
        while let event = waiter.next() { mode.got(event) }
    }

    static func observer(_ mode: Mode) throws -> Never {
        let queue = DispatchQueue(label: "contestant")
        let observer = try SignalObserver(mode.signals, queue: queue) { mode.got($0) }
        bench_ready()
        withExtendedLifetime(observer) { park() }
    }

    /// With many subscribers, the last one to have it answers.
    static func events(_ mode: Mode, subscribers: Int) throws -> Never {
        let left = Countdown(from: subscribers)
        for _ in 0..<subscribers {
            let events = try SignalEvents(mode.signals)
            Task.detached {
                for await event in events where left.isLast() { mode.got(event) }
            }
        }
        bench_ready()
        park()
    }

    static func loop(_ mode: Mode, _ mechanism: SignalLoop.Mechanism) throws {
        let loop = try SignalLoop(mechanism: mechanism)
        let events = try SignalEvents(mode.signals, loop: loop)
        try loop.run {
            bench_ready()
            for await event in events { mode.got(event) }
        }
    }

    /// Graceful shutdown, which waits for a signal.
    static func daemon() -> Never {
        Task.detached {
            await Daemon.main { daemon in
                bench_ready()
                await daemon.shutdownRequested()
            }
        }
        park()
    }

    /// The least that many subscribers cost: a thread takes the signal, and yields to so many streams, each read by a task.
    static func streams(_ count: Int) -> Never {
        let left = Countdown(from: count)
        var continuations: [AsyncStream<Void>.Continuation] = []
        for _ in 0..<count {
            let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
            continuations.append(continuation)
            Task.detached {
                for await _ in stream where left.isLast() { bench_got() }
            }
        }
        bench_block()
        bench_ready()
        while true {
            bench_take()
            for continuation in continuations { continuation.yield() }
        }
    }

    /// Keeps every thread of the cooperative pool at work: twice as many tasks as cores, each a millisecond at a time.
    static func saturate() {
        for _ in 0..<2 * ProcessorCount.active {
            Task.detached {
                while true {
                    let end = DispatchTime.now() + .milliseconds(1)
                    while DispatchTime.now() < end {}
                    await Task.yield()
                }
            }
        }
    }
}

private func park() -> Never {
    if bench_avoids_dispatch_main() != 0 { bench_pause() }
    dispatchMain()
}

/// Which of the subscribers of one signal is the last one to have it.
final class Countdown: Sendable {
    private let total: Int
    private let left: Atomic<Int>

    init(from total: Int) {
        self.total = total
        left = Atomic(total)
    }

    func isLast() -> Bool {
        if left.subtract(1, ordering: .acquiringAndReleasing).newValue > 0 { return false }
        left.store(total, ordering: .releasing)
        return true
    }
}
