// Programs that close descriptors of the library.
import Foundation
import SignalBridge
import TestSupport
import Testing

@Suite("Descriptors that the program closed") struct ClosedDescriptorTests {
    /// No `#expect` after the pipes are closed, because no descriptor is left for its output.
    @Test("A program that closes its pipes still gets signals, and a loop that has lost its descriptor says EBADF")
    func pipes() async {
        await #expect(processExitsWith: .exitCode(7)) {
            limit()
            let events = try SignalEvents(.sigusr1)
            let waiter = try SignalWaiter(.sigusr2)
            let loop = try SignalLoop()
            _ = loop.fileDescriptor
            for descriptor in Int32(3)..<64 where isPipe(descriptor) { close(descriptor) }
            #if os(Linux)
                if !underThreadSanitizer {  // where bridges are always polled
                    kill(getpid(), SIGUSR2)
                    let waited = await onThread { waiter.next(timeout: .seconds(60))?.signal }
                    guard waited == .sigusr2 else { _exit(1) }
                    kill(getpid(), SIGUSR1)
                    var iterator = events.makeAsyncIterator()
                    guard await iterator.next()?.signal == .sigusr1 else { _exit(2) }
                    guard try SignalDiagnostics(for: .sigusr1).isArmed, (try? SignalEvents(.sigterm)) != nil else {
                        _exit(3)
                    }
                }
            #endif
            do throws(SignalBridgeError) {
                _ = try SignalEvents(.sighup, loop: loop)
                _exit(4)
            } catch {
                guard error.errnoCode == EBADF else { _exit(5) }
            }
            withExtendedLifetime((events, waiter)) { _exit(7) }
        }
    }

    @Test("A loop whose descriptors are closed still runs jobs, and stop() ends it")
    func loop() async {
        await #expect(processExitsWith: .success) {
            limit()
            let loop = try SignalLoop()
            let server = Server(loop)
            await Task(executorPreference: loop) { [descriptor = loop.fileDescriptor] in
                _ = close(descriptor)
            }.value
            for _ in 0..<3 { await Task(executorPreference: loop) {}.value }
            #expect(refusal { _ = try SignalEvents(.sigusr1, loop: loop) }?.errnoCode == EBADF)
            server.leave()
        }
    }
}

private func isPipe(_ descriptor: Int32) -> Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
}
