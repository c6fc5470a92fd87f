// Requests that are refused, and their errors. A test that installs a handler runs in a process of its own.
import Foundation
import SignalBridge
import TestSupport
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

@Suite("Errors") struct ErrorTests {
    @Test("A signal that cannot be subscribed to is refused, by name and with the reason", arguments: refused)
    func refuses(signal: SignalNumber, code: SignalBridgeError.Code) async throws {
        let errors = [
            refusal { _ = try SignalEvents(signal) },
            refusal { _ = try SignalEvents([signal], options: .everyDelivery) },
            refusal { _ = try SignalObserver(signal) { _ in } },
            refusal { _ = try SignalWaiter(signal) },
            refusal { _ = try SignalDiagnostics(for: signal) },
            refusal { try signal.setDisposition(.ignore) },
        ]
        for error in errors {
            let error = try #require(error)
            #expect(error.code == code)
            #expect(error.signal == signal)
            #expect(error.errnoCode == nil)
            #expect(error.description.contains("\(signal)"))
            #expect(error.description.count > "\(signal)".count + 10 && !error.description.contains("\n"))
        }
        await #expect(throws: errors[0]!) { try await nextSignal(signal) }
        await #expect(throws: errors[0]!) { try await withSignalEvents(signal) { _ in Issue.record("the body ran") } }
    }

    @Test("A subscription that is refused leaves the signals before the bad one untouched")
    func rollback() async {
        await #expect(processExitsWith: .success) {
            limit()
            install(countingHandler, for: .sigusr1)
            let before = action(of: .sigusr1)
            for bad in [SignalNumber.sigkill, .sigsegv, .realtime(1000)] {
                #expect(refusal { _ = try SignalEvents(.sigusr1, bad) }?.signal == bad)
                #expect(refusal { _ = try SignalObserver(.sigusr1, bad) { _ in } }?.signal == bad)
                #expect(refusal { _ = try SignalWaiter(.sigusr1, bad) }?.signal == bad)
            }
            #expect(action(of: .sigusr1) == before)
            await deliver(.sigusr1)
            #expect(handledCount == 1)
        }
    }

    @Test("A 65th bridge is refused with the system's reason, and the others work on")
    func tooMany() async {
        await #expect(processExitsWith: .success) {
            limit()
            var waiters: [SignalWaiter] = []
            var error: SignalBridgeError?
            while error == nil, waiters.count < 100 {
                error = refusal { waiters.append(try SignalWaiter(.sigusr1)) }
            }
            #expect(waiters.count == 64, "\(waiters.count)")
            #expect(error?.code == .systemCallFailed && error?.errnoCode == ENOSPC, "\(String(describing: error))")
            await deliver(.sigusr1)
            let got = await onThread { [waiters] in waiters.filter { $0.next(timeout: .seconds(5)) != nil }.count }
            #expect(got == 64, "\(got)")
            waiters.removeLast()
            #expect(await eventually { (try? SignalWaiter(.sigusr1)) != nil }, "one is free again")
        }
    }

    @Test("A process that is out of descriptors gets EMFILE, and no signal is touched")
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
            #expect(error?.code == .systemCallFailed && error?.errnoCode == EMFILE, "\(String(describing: error))")
            #expect(action(of: .sigusr1) == before)
            _ = try SignalWaiter(.sigusr1)
        }
    }

    @Test("An empty list of signals is refused")
    func empty() async {
        let none: [SignalNumber] = []
        #expect(refusal { _ = try SignalEvents(none) }?.code == .noSignals)
        #expect(refusal { _ = try SignalObserver(Set(none)) { _ in } }?.code == .noSignals)
        #expect(refusal { _ = try SignalWaiter(none) }?.code == .noSignals)
        #expect(refusal { _ = try SignalWaiter(none) }?.signal == nil)
        #expect(refusal { _ = try SignalWaiter(none) }?.description.isEmpty == false)
        await #expect(throws: SignalBridgeError.self) { try await withSignalEvents(none) { _ in } }
        await #expect(throws: SignalBridgeError.self) { try await nextSignal(none) }
    }

    @Test(
        "A signal whose default action ends no process cannot escalate, alone or beside one that can",
        arguments: [SignalNumber.sigchld, .sigwinch, .sigcont, .sigtstp, .sigttin, .sigttou, .sigurg])
    func cannotEscalate(signal: SignalNumber) throws {
        for signals in [[signal], [.sigterm, signal], [signal, .sigterm]] {
            for error in escalationRefusals(signals, 2) {
                let error = try #require(error)
                #expect(error.code == .cannotEscalate)
                #expect(error.signal == signal)
                #expect(error.description.contains("\(signal)"))
            }
        }
    }

    @Test(
        "A limit of unread deliveries that makes no sense is refused",
        arguments: [0, -1, .min, Int(Int32.max) + 1, .max])
    func escalatesNever(number: Int) throws {
        for error in escalationRefusals([.sigterm], number) {
            let error = try #require(error)
            #expect(error.code == .invalidArgument)
            #expect(error.signal == nil)
            #expect(error.description.contains("\(number)"))
        }
    }

    private func escalationRefusals(_ signals: [SignalNumber], _ number: Int) -> [SignalBridgeError?] {
        [
            refusal { _ = try SignalEvents(signals, escalateAfterUnread: number) },
            refusal { _ = try SignalObserver(signals, escalateAfterUnread: number) { _ in } },
            refusal { _ = try SignalWaiter(signals, escalateAfterUnread: number) },
        ]
    }

    @Test("A signal that is named twice is subscribed once")
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
