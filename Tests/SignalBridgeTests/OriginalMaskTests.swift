// Children that are spawned from Dispatch's threads, which block nearly every signal on Linux.
import Foundation
import SignalBridge
import TestSupport
import Testing

#if os(Linux)
    @Suite("The original signal mask") struct OriginalMaskTests {
        @Test("A child that Foundation's Process starts from a task is ended by SIGTERM")
        func process() async {
            await #expect(processExitsWith: .success) {
                limit()
                let status = try await Task.detached { () throws -> Int32 in
                    #expect(
                        blockedSignals(of: "thread-self").contains(SIGTERM), "the hazard is gone: is the scope needed?")
                    let process = Process()
                    process.executableURL = URL(fileURLWithPath: "/bin/sleep")
                    process.arguments = ["600"]
                    try withOriginalSignalMask { try process.run() }
                    #expect(blockedSignals(of: "thread-self").contains(SIGTERM), "put back")
                    kill(process.processIdentifier, SIGTERM)
                    process.waitUntilExit()
                    #expect(process.terminationReason == .uncaughtSignal)
                    return process.terminationStatus
                }.value
                #expect(status == SIGTERM)
            }
        }

        @Test("A child that a task starts blocks SIGTERM, and in the scope it starts with the mask of the process")
        func masks() async {
            await #expect(processExitsWith: .success) {
                limit()
                let events = try SignalEvents(.sighup, .sigterm)
                let mask = try await Task.detached {
                    #expect(try statusOfChild().blocked.contains(SIGTERM))
                    return try withOriginalSignalMask { try statusOfChild() }.blocked
                }.value
                #expect(mask.isEmpty, "an exit test starts with nothing blocked")
                kill(getpid(), SIGHUP)
                var iterator = events.makeAsyncIterator()
                #expect(await iterator.next()?.signal == .sighup, "subscribed as before")
            }
        }

        @Test("A signal that comes in the scope is delivered, a throw restores the mask, and scopes nest")
        func scope() async {
            await #expect(processExitsWith: .success) {
                limit()
                let events = try SignalEvents(.sigusr1)
                let failed = await Task.detached { () -> Bool in
                    let before = blockedSignals(of: "thread-self")
                    do {
                        try withOriginalSignalMask {
                            raise(SIGUSR1)  // to this very thread, which takes it now
                            try withOriginalSignalMask { #expect(blockedSignals(of: "thread-self").isEmpty) }
                            #expect(blockedSignals(of: "thread-self").isEmpty)
                            throw CancellationError()
                        }
                        return false
                    } catch {
                        #expect(blockedSignals(of: "thread-self") == before)
                        return error is CancellationError
                    }
                }.value
                #expect(failed)
                #expect(await events.collect(deliveries: 1).deliveries == 1)
            }
        }
    }

    /// The mask of a thread, from /proc.
    func blockedSignals(of thread: String) -> Set<Int32> {
        signals("SigBlk", in: (try? String(contentsOfFile: "/proc/\(thread)/status", encoding: .utf8)) ?? "")
    }

    private func signals(_ field: String, in status: String) -> Set<Int32> {
        let line = status.split(separator: "\n").first { $0.hasPrefix(field) }
        let bits = line.flatMap { UInt64($0.split(separator: "\t").last ?? "", radix: 16) } ?? 0
        return Set((1...64).filter { bits >> UInt64($0 - 1) & 1 == 1 })
    }

    private func statusOfChild() throws -> (blocked: Set<Int32>, ignored: Set<Int32>) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/bin/cat")  // a shell may clear its mask
        process.arguments = ["/proc/self/status"]
        process.standardOutput = pipe
        try process.run()
        let status = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (signals("SigBlk", in: status), signals("SigIgn", in: status))
    }

#endif
