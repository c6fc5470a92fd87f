// The Swift peers: `peers NAME MODE`, see contestants/README.md.
import CBench
@preconcurrency import Dispatch
import Logging
import ServiceLifecycle
import UnixSignals

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

@main
enum Peers {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3 else { exit(2) }
        if arguments[2] == "saturated" { saturate() }
        switch (arguments[1], arguments[2]) {
        case ("dispatch-signal", let mode): dispatchSignal(storm: mode == "storm")
        case ("unix-signals", "storm"):  // it knows no realtime signals
            exit(3)
        case ("unix-signals", _): unixSignals()
        case ("service-group", "pingpong"): serviceGroup()
        default: exit(2)
        }
    }

    static func dispatchSignal(storm: Bool) -> Never {
        let queue = DispatchQueue(label: "contestant")
        let source = DispatchSource.makeSignalSource(signal: storm ? 40 : SIGUSR1, queue: queue)
        source.setEventHandler { @Sendable in
            if storm { countMerged(source.data) } else { bench_got() }
        }
        let registered = DispatchSemaphore(value: 0)
        source.setRegistrationHandler { registered.signal() }
        source.activate()
        let end = DispatchSource.makeSignalSource(signal: SIGUSR2, queue: queue)
        if storm {
            end.setEventHandler { @Sendable in reportCounts() }
            end.activate()
        }
        registered.wait()
        bench_ready()
        withExtendedLifetime((source, end)) { park() }
    }

    static func unixSignals() -> Never {
        Task.detached {
            let signals = await UnixSignalsSequence(trapping: .sigusr1)
            bench_ready()
            for await _ in signals { bench_got() }
        }
        park()
    }

    /// Graceful shutdown, which waits for a signal.
    static func serviceGroup() -> Never {
        struct Idle: Service {
            func run() async throws {
                bench_ready()
                try await gracefulShutdown()
            }
        }
        Task.detached {
            let group = ServiceGroup(
                services: [Idle()], gracefulShutdownSignals: [.sigterm], logger: Logger(label: "contestant"))
            try await group.run()
        }
        park()
    }

    /// As in `ours`.
    static func saturate() {
        for _ in 0..<2 * sysconf(Int32(_SC_NPROCESSORS_ONLN)) {
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

nonisolated(unsafe) private var received: UInt64 = 0  // the queue's

private func countMerged(_ count: UInt) {
    received += UInt64(count)
}

private func reportCounts() {
    bench_account_merged(received)
    bench_report()
}
