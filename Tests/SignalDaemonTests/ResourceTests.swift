// Daemons where the system refuses threads or signals.
#if os(Linux)
    import Foundation
    import SignalBridge
    import SignalDaemon
    import TestSupport
    import Testing

    /// Another user, without processes.
    private let stranger: uid_t = 54321
    private let mayBeStranger: Bool = {
        guard geteuid() == 0, let map = try? String(contentsOfFile: "/proc/self/uid_map", encoding: .utf8) else {
            return false
        }
        return map.split(separator: "\n").contains { line in
            let range = line.split(separator: " ").compactMap { UInt64($0) }
            return range.count == 3 && range[0] <= UInt64(stranger) && UInt64(stranger) < range[0] + range[2]
        }
    }()

    /// Binds all threads of the process to one processor, by calls that Swift does not import.
    private func stayOnOneProcessor() {
        typealias Get = @convention(c) (pid_t, Int, UnsafeMutableRawPointer) -> Int32
        typealias Set = @convention(c) (pid_t, Int, UnsafeRawPointer) -> Int32
        var processors = [UInt8](repeating: 0, count: 1024)
        _ = unsafeBitCast(dlsym(nil, "sched_getaffinity"), to: Get.self)(0, processors.count, &processors)
        let first = processors.firstIndex { $0 != 0 }!
        let lowest = processors[first] & (0 &- processors[first])
        for index in processors.indices { processors[index] = index == first ? lowest : 0 }
        let set = unsafeBitCast(dlsym(nil, "sched_setaffinity"), to: Set.self)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? [] {
            _ = set(pid_t(name)!, processors.count, processors)
        }
    }

    @Suite("Refused resources") struct ResourceTests {
        @Test(
            "The exit is forced in time although no thread can be started",
            .enabled(if: mayBeStranger, "needs root, to be a user of its own with a limit of its own"))
        func noThreads() async {
            await #expect(processExitsWith: .signal(SIGTERM)) {
                limit()
                let policy = SignalPolicy.server.with(
                    gracePeriod: .milliseconds(200), cancelPeriod: .milliseconds(200))
                let never = Blocker()
                _ = try await Daemon.run(policy: policy) { daemon in
                    try daemon.addTask("asks for a thread when cancelled", onShutdown: .cancel) {
                        await withTaskCancellationHandler {
                            await never.wait()
                        } onCancel: {
                            // Dispatch has no thread of this class yet, and tries for ever.
                            DispatchQueue.global(qos: .background).async {}
                        }
                    }
                    guard setgid(stranger) == 0, setuid(stranger) == 0 else { _exit(3) }
                    var most = rlimit(rlim_cur: 60, rlim_max: 60)
                    guard setrlimit(__rlimit_resource_t(__RLIMIT_NPROC.rawValue), &most) == 0 else { _exit(4) }
                    startThread {
                        var isAsked = false
                        while true {
                            var thread = pthread_t()
                            let failure = pthread_create(&thread, nil, { _ in while true { sleep(1000) } }, nil)
                            if failure == 0 { continue }
                            if failure != EAGAIN { _exit(5) }
                            if !isAsked { kill(getpid(), SIGTERM) }
                            isAsked = true
                            usleep(1000)  // then takes each thread that becomes free
                        }
                    }
                    await never.wait()
                }
            }
        }

        @Test("A call of onReload that is refused does not delay the shutdown")
        func refusedOnReload() async {
            await #expect(processExitsWith: .success) {
                limit()
                let loop = try SignalLoop(mechanism: .signalfd)
                let others = try SignalEvents(.sigusr1, loop: loop)  // it makes onReload fail
                let quick = try SignalPolicy(graceful: [.sigterm], reload: [.sigusr1])
                    .with(gracePeriod: .milliseconds(1), cancelPeriod: .seconds(600))
                await onThread {
                    let end = Date(timeIntervalSinceNow: 5)
                    while Date() < end {
                        let isCancelled = Shared(false)
                        _ = try? Daemon.runBlocking(policy: quick) { daemon in
                            try daemon.addThread("is refused") { stop in
                                while !stop.isCancelled { try? daemon.onReload {} }
                                isCancelled { $0 = true }
                            }
                            usleep(.random(in: 0..<500))
                            daemon.shutdown()
                            let late = Date(timeIntervalSinceNow: patience / 4)
                            while !isCancelled.now {
                                if Date() > late { _exit(3) }
                                usleep(100)
                            }
                        }
                    }
                }
                withExtendedLifetime(others) {}
            }
        }

        // A thread that runs after every other one may be too late under a sanitizer.
        @Test(
            "A signal that comes right after onReload subscribed to it causes a reload",
            .enabled(if: !underThreadSanitizer && !underAddressSanitizer))
        func signalBehindOnReload() async {
            await #expect(processExitsWith: .success) {
                limit()
                stayOnOneProcessor()
                let policy = try SignalPolicy(graceful: [.sigterm], reload: [.sigusr1]).with(keepsIgnored: false)
                let end = Date(timeIntervalSinceNow: 10)
                for round in 0..<100 where Date() < end {
                    signal(SIGUSR1, SIG_IGN)
                    let report = try await Daemon.run(policy: policy) { daemon in
                        let isReady = Shared(false)
                        let reloaded = Shared(false)
                        startThread {  // sends the signal once, as soon as there is a handler
                            isReady { $0 = true }
                            repeat { usleep(UInt32(5 + round % 40)) } while disposition(of: .sigusr1) == .ignore
                            kill(getpid(), SIGUSR1)
                        }
                        startThread {  // it runs after every other thread
                            var priority = sched_param()
                            pthread_setschedparam(pthread_self(), 5, &priority)  // SCHED_IDLE
                            while !isReady.now { usleep(100) }
                            try? daemon.onReload { reloaded { $0 = true } }
                        }
                        if await !eventually({ reloaded.now }) { throw Broken() }
                    }
                    #expect(report.exitStatus == .code(0), "in round \(round)")
                    if report.exitStatus != .code(0) { break }
                }
            }
        }
    }
#endif
