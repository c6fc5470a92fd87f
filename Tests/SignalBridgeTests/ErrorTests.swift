// G11: what is refused, and what the refusal says. None of this installs anything, but where it runs in a process of
// its own.
import Foundation
import SignalBridge
import Testing

private let refused: [(SignalNumber, SignalBridgeError.Code)] = {
    var list: [(SignalNumber, SignalBridgeError.Code)] = [
        (.sigkill, .uncatchable), (.sigstop, .uncatchable),
        (.sigill, .synchronousFault), (.sigtrap, .synchronousFault), (.sigbus, .synchronousFault),
        (.sigfpe, .synchronousFault), (.sigsegv, .synchronousFault), (.sigsys, .synchronousFault),
    ]
    for number in [0, -1, 65, 100, Int32.max, Int32.min] { list.append((SignalNumber(rawValue: number), .outOfRange)) }
    list += [(.realtime(1000), .outOfRange), (.realtime(-1), .outOfRange), (.realtime(Int32.max), .outOfRange)]
    #if canImport(Glibc)
        list += [(SignalNumber(rawValue: 32), .reserved), (SignalNumber(rawValue: 33), .reserved)]
    #endif
    return list
}()

@Suite struct Errors {
    @Test("G11: what cannot be subscribed to is refused, by name and with the reason", arguments: refused)
    func refuses(signal: SignalNumber, code: SignalBridgeError.Code) async throws {
        let errors = [
            refusal { _ = try SignalEvents(signal) },
            refusal { _ = try SignalEvents([signal], options: .everyDelivery) },
            refusal { _ = try SignalSubscription(signal) { _ in } },
            refusal { _ = try SignalWaiter(signal) },
            refusal { _ = try SignalDiagnostics(for: signal) },
            refusal { try SignalDisposition.set(.ignore, for: signal) },
        ]
        for error in errors {
            let error = try #require(error)
            #expect(error.code == code)
            #expect(error.signal == signal)
            #expect(error.errno == nil)
            #expect(error.description.contains("\(signal)"))
            #expect(error.description.count > "\(signal)".count + 10 && !error.description.contains("\n"))
        }
        await #expect(throws: errors[0]!) { try await nextSignal(signal) }
        await #expect(throws: errors[0]!) { try await withSignalEvents(signal) { _ in Issue.record("the body ran") } }
    }

    @Test("G11: a partial failure leaves the signals before it untouched")
    func rollback() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigusr1)
            let before = action(of: .sigusr1)
            for bad in [SignalNumber.sigkill, .sigsegv, .realtime(1000)] {
                #expect(refusal { _ = try SignalEvents(.sigusr1, bad) }?.signal == bad)
                #expect(refusal { _ = try SignalSubscription(.sigusr1, bad) { _ in } }?.signal == bad)
                #expect(refusal { _ = try SignalWaiter(.sigusr1, bad) }?.signal == bad)
            }
            #expect(action(of: .sigusr1) == before)
            await deliver(.sigusr1)
            #expect(handledCount == 1)
        }
    }

    @Test("G11: more bridges than there are fail with the system's reason, and hurt none of the others")
    func tooMany() async {
        await #expect(processExitsWith: .success) {
            limit()
            var waiters: [SignalWaiter] = []
            var error: SignalBridgeError?
            while error == nil, waiters.count < 100 {
                error = refusal { waiters.append(try SignalWaiter(.sigusr1)) }
            }
            #expect(waiters.count == 64, "\(waiters.count)")
            #expect(error?.code == .systemCallFailed && error?.errno == ENOSPC, "\(String(describing: error))")
            await deliver(.sigusr1)
            let got = await onThread { [waiters] in waiters.filter { $0.next(timeout: .seconds(5)) != nil }.count }
            #expect(got == 64, "\(got)")
            waiters.removeLast()
            #expect(await eventually { (try? SignalWaiter(.sigusr1)) != nil }, "one is free again")
        }
    }

    @Test("G11: out of descriptors")
    func noDescriptors() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigusr1)
            let before = action(of: .sigusr1)
            var limit = rlimit(rlim_cur: 0, rlim_max: 0)
            #if os(Linux)
                let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
            #else
                let files = RLIMIT_NOFILE
            #endif
            getrlimit(files, &limit)
            let old = limit
            limit.rlim_cur = 3
            setrlimit(files, &limit)
            let error = refusal { _ = try SignalWaiter(.sigusr1) }
            var again = old
            setrlimit(files, &again)
            #expect(error?.code == .systemCallFailed && error?.errno == EMFILE, "\(String(describing: error))")
            #expect(action(of: .sigusr1) == before)
            _ = try SignalWaiter(.sigusr1)
        }
    }

    @Test("G11: an empty list is refused")
    func empty() async {
        let none: [SignalNumber] = []
        #expect(refusal { _ = try SignalEvents(none) }?.code == .noSignals)
        #expect(refusal { _ = try SignalSubscription(Set(none)) { _ in } }?.code == .noSignals)
        #expect(refusal { _ = try SignalWaiter(none) }?.code == .noSignals)
        #expect(refusal { _ = try SignalWaiter(none) }?.signal == nil)
        #expect(refusal { _ = try SignalWaiter(none) }?.description.isEmpty == false)
        await #expect(throws: SignalBridgeError.self) { try await withSignalEvents(none) { _ in } }
        await #expect(throws: SignalBridgeError.self) { try await nextSignal(none) }
    }

    @Test(
        "G11: an escalation that cannot be is refused",
        arguments: [
            (SignalNumber.sigterm, 0), (.sigterm, -1), (.sigterm, Int.max), (.sigint, 2), (.sigchld, 2), (.sigwinch, 1),
            (.sigcont, 2), (.sigtstp, 2), (.sigurg, 2), (.sigkill, 2),
        ])
    func cannotEscalate(signal: SignalNumber, unread: Int) throws {
        let signals: [SignalNumber] = [.sigterm, .sigchld, .sigwinch, .sigcont, .sigtstp, .sigurg]
        let error = try #require(refusal { _ = try SignalEvents(signals, options: .escalate(signal, unread: unread)) })
        #expect(error.code == .cannotEscalate)
        #expect(error.signal == signal)
        #expect(error.description.contains("\(signal)"))
    }

    @Test("a signal that is named twice counts once")
    func duplicates() async {
        await #expect(processExitsWith: .success) {
            limit()
            let before = action(of: .sigusr1)
            let events = try SignalEvents(.sigusr1, .sigusr1, .sigusr1, options: .everyDelivery)
            await deliver(.sigusr1)
            events.finish()
            #expect(await events.rest().count == 1)
            #expect(action(of: .sigusr1) == before)
        }
    }
}
