// What was found once in the lifecycle, by review, and must not come back: what only a whole system shows.
#if os(Linux)
    import Foundation
    import SignalBridge
    import SignalDaemon
    import TestSupport
    import Testing

    /// Takes a signal that is pending, or comes within some seconds.
    private func take(_ signal: SignalNumber) -> Bool {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, signal.rawValue)
        var patience = timespec(tv_sec: 10, tv_nsec: 0)
        return sigtimedwait(&set, nil, &patience) == signal.rawValue
    }

    /// Another user, who has no processes.
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

    // The thread sanitizer starts no threads in a forked child.
    @Suite(.enabled(if: !underThreadSanitizer)) struct LifecycleFoundInChildren {
        @Test("3: a HUP that all threads block stays theirs until onReload, and is taken from then on")
        func reloadSignals() async {
            await #expect(processExitsWith: .success) {
                limit()
                await onThread {
                    let result = forked {
                        setMask([.sighup])
                        signal(SIGHUP, SIG_DFL)
                        let reloaded = DispatchSemaphore(value: 0)
                        let report = try? Daemon.runBlocking { daemon in
                            for _ in 0..<20 {
                                kill(getpid(), SIGHUP)
                                usleep(20_000)  // for whoever would take it
                                if !take(.sighup) { _exit(3) }
                            }
                            try daemon.onReload { reloaded.signal() }
                            kill(getpid(), SIGHUP)
                            if reloaded.wait(timeout: .now() + 20) == .timedOut { _exit(4) }
                        }
                        return report?.exitStatus == .code(0) ? 7 : 2
                    }
                    #expect(result == 7, "the child: \(result)")
                }
            }
        }

        @Test("3c: when the daemon has returned, it takes no signals that all threads block")
        func untouchedAfterReturn() async {
            await #expect(processExitsWith: .success) {
                limit()
                await onThread {
                    let result = forked {
                        setMask([.sigterm, .sigint])
                        for _ in 0..<500 {
                            if (try? Daemon.runBlocking { _ in }) == nil { return 2 }
                            kill(getpid(), SIGTERM)
                            if !take(.sigterm) { return 3 }
                        }
                        return 7
                    }
                    #expect(result == 7, "the child: \(result)")
                }
            }
        }
    }

    @Suite struct LifecycleFoundInSystem {
        @Test(
            "3b: where no thread is to be had, the end is forced all the same",
            .enabled(if: mayBeStranger, "needs root, to be a user of its own with a limit of its own"))
        func noThreads() async {
            await #expect(processExitsWith: .signal(SIGTERM)) {
                limit()
                let policy = SignalPolicy.server.with(
                    gracePeriod: .milliseconds(200), cancelPeriod: .milliseconds(200))
                let never = Door()
                _ = try await Daemon.run(policy: policy) { daemon in
                    try daemon.addTask("asks for a thread when cancelled", onShutdown: .cancel) {
                        await withTaskCancellationHandler {
                            await never.wait()
                        } onCancel: {
                            // Dispatch has none of this class yet, and tries for ever.
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
                            usleep(1000)  // then takes what others have given up
                        }
                    }
                    await never.wait()
                }
            }
        }

        @Test("who is refused onReload takes no wake-up away from the watch: the shutdown goes on by its periods")
        func refusedOnReload() async {
            await #expect(processExitsWith: .success) {
                limit()
                let loop = try SignalLoop(mechanism: .signalfd)
                let hangups = try SignalEvents(.sighup, loop: loop)  // which shares it with nobody
                let quick = SignalPolicy.server.with(gracePeriod: .milliseconds(1), cancelPeriod: .seconds(600))
                await onThread {
                    let end = Date(timeIntervalSinceNow: 5)
                    while Date() < end {
                        _ = try? Daemon.runBlocking(policy: quick) { daemon in
                            try daemon.addThread("is refused") { stop in
                                while !stop.isCancelled { try? daemon.onReload {} }
                            }
                            usleep(.random(in: 0..<500))
                            daemon.shutdown()
                            let late = Date(timeIntervalSinceNow: patience / 4)
                            while !daemon.stop.isCancelled {
                                if Date() > late { _exit(3) }
                                usleep(100)
                            }
                        }
                    }
                }
                withExtendedLifetime(hangups) {}
            }
        }

        // What comes after everybody else may come too late where everything is slow.
        @Test(
            "1b: a HUP that comes when onReload has just subscribed reloads",
            .enabled(if: !underThreadSanitizer && !underAddressSanitizer))
        func signalBehindOnReload() async {
            await #expect(processExitsWith: .success) {
                limit()
                stayOnOneProcessor()
                let end = Date(timeIntervalSinceNow: 10)
                for round in 0..<100 where Date() < end {
                    signal(SIGHUP, SIG_IGN)
                    let report = try await Daemon.run(policy: .server.with(keepsIgnored: false)) { daemon in
                        let isReady = Shared(false)
                        let reloaded = Shared(false)
                        startThread {  // sends one HUP as soon as there is a handler
                            isReady { $0 = true }
                            repeat { usleep(UInt32(5 + round % 40)) } while disposition(of: .sighup) == .ignore
                            kill(getpid(), SIGHUP)
                        }
                        startThread {  // after everybody else
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

    /// All threads of the process; by calls that Swift does not import.
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
#endif
