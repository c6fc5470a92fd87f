// What the signals of daemon.c mean. All of it runs on the thread that calls signals_drain: this file starts no thread.
import SignalBridge

/// Lives on the loop, so on C's thread: it may touch C's state without a lock, and the compiler keeps others out.
actor Logic {
    private let loop: SignalLoop
    private let events: SignalEvents
    private let state: UnsafeMutablePointer<state>
    private let configuration: Configuration
    private(set) var heard = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(loop: SignalLoop, state: UnsafeMutablePointer<state>) throws {
        self.loop = loop
        self.state = state
        configuration = Configuration(loop: loop)
        events = try SignalEvents(.sighup, .realtime(0), .sigterm, loop: loop)
    }

    func run() async {
        for await event in events {
            heard += event.count
            print("\(event), Swift runs on thread \(current_thread())")
            switch event.signal {
            case .sighup: state.pointee.generation = await configuration.load()  // this thread still, and again
            case .realtime(0): state.pointee.requests += Int32(event.value ?? 0)
            default: state.pointee.stopping = 1
            }
        }
    }

    nonisolated func finish() { events.finish() }  // from here on, signals take the previous action
}

/// Another actor on the same thread: a call from one to the other is no change of thread.
actor Configuration {
    private let loop: SignalLoop
    private var generation: Int32 = 1

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    init(loop: SignalLoop) { self.loop = loop }

    func load() -> Int32 {
        print("configuration loaded on thread \(current_thread())")
        generation += 1
        return generation
    }
}

nonisolated(unsafe) private var running: (loop: SignalLoop, logic: Logic)?  // C's thread alone uses it

@c @implementation
func signals_start(_ state: UnsafeMutablePointer<state>?, _ use_signalfd: Int32) -> Int32 {
    nonisolated(unsafe) let state = state!  // C promises to use this only on the loop's thread
    do {
        let loop = try SignalLoop(mechanism: use_signalfd != 0 ? .signalfd : .handler)
        let logic = try Logic(loop: loop, state: state)
        Task(executorPreference: loop) { await logic.run() }
        running = (loop, logic)
        return loop.fileDescriptor
    } catch {
        print(error)
        return -1
    }
}

@c @implementation
func signals_drain() { running?.loop.drain() }

@c @implementation
func signals_heard() -> Int32 {
    guard let (loop, logic) = running else { return 0 }
    return loop.enter { logic.assumeIsolated { Int32($0.heard) } }  // C calls on the loop's thread: no await is needed
}

@c @implementation
func signals_stop() {
    running?.logic.finish()
    signals_drain()  // the last of the tasks
    running = nil
}
