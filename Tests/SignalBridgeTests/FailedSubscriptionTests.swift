// A subscription to several signals, of which a sandbox refuses a later one.
import Foundation
import SignalBridge
import TestSupport
import Testing

#if os(Linux)
    /// Makes the kernel refuse to install a handler for a signal, as a sandbox may. The seccomp(2) filter is made of
    /// plain integers, because Swift imports neither prctl(2) nor the filter's structures.
    private func refuseInstalling(_ signal: SignalNumber) -> Bool {
        #if arch(x86_64)
            let sigactionNumber: UInt64 = 13
        #else
            let sigactionNumber: UInt64 = 134
        #endif
        func instruction(_ code: UInt64, _ jumpTrue: UInt64, _ jumpFalse: UInt64, _ operand: UInt64) -> UInt64 {
            code | jumpTrue << 16 | jumpFalse << 24 | operand << 32  // struct sock_filter
        }
        let filter = [
            instruction(0x20, 0, 0, 0), instruction(0x15, 0, 5, sigactionNumber),  // rt_sigaction
            instruction(0x20, 0, 0, 16), instruction(0x15, 0, 3, UInt64(signal.rawValue)),  // of this signal
            instruction(0x20, 0, 0, 24), instruction(0x15, 1, 0, 0),  // that sets one
            instruction(0x06, 0, 0, 0x0005_0001), instruction(0x06, 0, 0, 0x7fff_0000),  // EPERM; allowed
        ]
        typealias Control = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
        let control = unsafeBitCast(dlsym(nil, "prctl"), to: Control.self)
        return filter.withUnsafeBufferPointer { filter in
            var program = (UInt(filter.count), UInt(bitPattern: filter.baseAddress))  // struct sock_fprog
            return withUnsafePointer(to: &program) {
                control(38, 1, 0, 0, 0) == 0 && control(22, 2, UInt(bitPattern: $0), 0, 0) == 0
            }
        }
    }

    @Suite("A subscription that fails half-way") struct FailedSubscriptionTests {
        // The thread sanitizer coalesces realtime signals that it delays.
        @Test(
            "A signal that a failed subscription captured meets the handler from before",
            .enabled(if: !underThreadSanitizer))
        func captured() async {
            await #expect(processExitsWith: .success) {
                limit()
                let signal = SignalNumber.realtime(1)  // which the kernel does not coalesce when it is sent again
                install(countingHandler, for: signal)
                guard refuseInstalling(.sigusr2) else { _exit(0) }  // no seccomp here
                let stop = Shared(false)
                let sent = Shared(0)
                startThread {
                    while !stop.now {
                        raise(signal.rawValue)
                        sent { $0 += 1 }
                    }
                    stop { $0 = false }
                }
                for _ in 0..<5000 {
                    do throws(SignalBridgeError) {
                        _ = try SignalEvents(signal, .sigusr2)
                        Issue.record("nothing was refused")
                    } catch {
                        if error.signal != .sigusr2 || error.errnoCode != EPERM { Issue.record("\(error)") }
                    }
                }
                stop { $0 = true }
                #expect(await eventually { !stop.now })
                #expect(await eventually { handledCount >= sent.now }, "\(handledCount) of \(sent.now) arrived")
                #expect(handledCount == sent.now)
            }
        }
    }
#endif
