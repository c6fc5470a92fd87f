// The filter that finds duplicate signals, tested without a daemon.
import Testing

@testable import SignalBridge
@testable import SignalDaemon

/// A filter with a window, and what becomes of each event.
private final class Filtered {
    private var filter = DuplicateFilter()
    private let window: Duration

    init(window: Duration = .milliseconds(500)) { self.window = window }

    private func obeys(_ event: SignalEvent, isHard: Bool) -> Bool {
        if filter.isDuplicate(event, isHard: isHard) { return false }
        filter.accept(event, isHard: isHard, window: window)
        return true
    }

    /// A signal that a process sent.
    func sent(_ signal: SignalNumber, at milliseconds: Int, isHard: Bool = false) -> Bool {
        obeys(.captured(signal, at: .milliseconds(milliseconds)), isHard: isHard)
    }

    /// A signal of the terminal: a key press, or SIGHUP.
    func fromTerminal(_ signal: SignalNumber, at milliseconds: Int, isHard: Bool = false) -> Bool {
        obeys(.fromTerminal(signal, at: .milliseconds(milliseconds)), isHard: isHard)
    }
}

@Suite("Duplicates of signals") struct DuplicateFilterTests {
    @Test("The first signal is obeyed, and for the time of the window no other that a process sends")
    func window() {
        let filter = Filtered()
        #expect(filter.sent(.sigterm, at: 0))
        for time in [0, 1, 499] { #expect(!filter.sent(.sigint, at: time)) }
        #expect(filter.sent(.sigterm, at: 500))
    }

    @Test("Duplicates do not prolong the window: it begins with a signal that is obeyed")
    func windowIsNotProlonged() {
        let filter = Filtered()
        let obeyed = stride(from: 0, through: 2000, by: 100).filter { filter.sent(.sigterm, at: $0) }
        #expect(obeyed == [0, 500, 1000, 1500, 2000])
    }

    @Test("Without a window there are no duplicates")
    func noWindow() {
        let filter = Filtered(window: .zero)
        for _ in 0..<3 { #expect(filter.sent(.sigterm, at: 1000)) }
    }

    @Test("A hard exit after a graceful signal is obeyed, and then both are duplicates")
    func hardAfterGraceful() {
        let filter = Filtered()
        #expect(filter.sent(.sigterm, at: 0))
        #expect(filter.sent(.sigquit, at: 1, isHard: true))
        #expect(!filter.sent(.sigquit, at: 2, isHard: true))
        #expect(!filter.sent(.sigterm, at: 3))
        #expect(!filter.sent(.sigterm, at: 500), "the window is that of the hard exit")
        #expect(filter.sent(.sigterm, at: 501))
    }

    @Test("Each key press is obeyed", arguments: [SignalNumber.sigint, .sigquit])
    func keyPresses(signal: SignalNumber) {
        let filter = Filtered()
        for time in [0, 100, 200] { #expect(filter.fromTerminal(signal, at: time)) }
    }

    @Test("A signal that a launcher passes on is a duplicate of the key press, whichever comes first")
    func launcher() {
        let filter = Filtered()
        #expect(filter.fromTerminal(.sigint, at: 0))
        #expect(!filter.sent(.sigint, at: 1))
        #expect(!filter.sent(.sigterm, at: 2), "npm sends another one")
        #expect(filter.fromTerminal(.sigint, at: 300), "the second key press")
        #expect(!filter.sent(.sigint, at: 301))

        let late = Filtered()  // the launcher was quicker than this process
        #expect(late.sent(.sigint, at: 0))
        #expect(!late.fromTerminal(.sigint, at: 1))
        #expect(!late.sent(.sigint, at: 2))
        #expect(late.fromTerminal(.sigint, at: 300), "the second key press")
    }

    @Test("SIGHUP of a terminal is no key press: the shell and the kernel report one closed terminal")
    func closedTerminal() {
        let filter = Filtered()
        #expect(filter.sent(.sighup, at: 0))
        #expect(!filter.fromTerminal(.sighup, at: 1))
        #expect(!filter.fromTerminal(.sighup, at: 2))
        #expect(
            !filter.fromTerminal(.sigint, at: 3),
            "and a key press is not counted twice with what came before it")
        #expect(filter.fromTerminal(.sigint, at: 4))
    }
}
