// A program that fills a terminal, and gives it back whenever it ends or stops.
import Foundation
import SignalBridge
import SignalDaemon
import Synchronization

final class Screen: Sendable {
    private struct State {
        var text = ""
        var isEntered = false
        var isClosed = false
    }
    private let state = Mutex(State())
    private let original: termios

    init?() {
        var attributes = termios()
        guard tcgetattr(STDIN_FILENO, &attributes) == 0, isatty(STDOUT_FILENO) == 1 else { return nil }
        original = attributes
    }

    func show(_ text: String) {
        state.withLock { state in
            state.text = text
            draw(&state)
        }
    }

    func redraw() { state.withLock { draw(&$0) } }

    /// After SIGCONT: a shell may have changed the terminal meanwhile.
    func resume() {
        state.withLock { state in
            state.isEntered = false
            draw(&state)
        }
    }

    func suspend() {
        state.withLock { state in  // nobody draws between these two
            leave(&state)
            try? SignalNumber.sigtstp.performDefaultAction()  // the process stops here, and goes on here
        }
    }

    // The last thing: a SIGCONT that comes with the signal that ends the program draws no more.
    func close() {
        state.withLock { state in
            leave(&state)
            state.isClosed = true
        }
    }

    /// The next key, if one is pressed within a tenth of a second; "q" at the end of the input.
    func nextKey() -> UInt8? {
        var input = pollfd(fd: isInForeground ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0)
        guard poll(&input, 1, 100) > 0 else {
            state.withLock { if !$0.isEntered { draw(&$0) } }  // `fg` of a job that `bg` has continued sends no signal
            return nil
        }
        var key = UInt8(ascii: "q")
        return read(STDIN_FILENO, &key, 1) < 0 ? nil : key
    }

    /// In the background, the terminal is another program's.
    private var isInForeground: Bool { tcgetpgrp(STDIN_FILENO) == getpgrp() }

    private func draw(_ state: inout State) {
        guard !state.isClosed, isInForeground else { return }
        if !state.isEntered {
            var attributes = original
            attributes.c_lflag &= ~tcflag_t(ICANON | ECHO)  // ISIG stays: Ctrl-C and Ctrl-Z are signals
            tcsetattr(STDIN_FILENO, TCSANOW, &attributes)
            write("\u{1B}[?1049h\u{1B}[?25l")
            state.isEntered = true
        }
        var size = winsize()
        _ = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size)
        write("\u{1B}[H\u{1B}[2J\(size.ws_col) columns, \(size.ws_row) rows: \(state.text)")
    }

    private func leave(_ state: inout State) {
        guard state.isEntered, isInForeground else { return }
        var attributes = original
        tcsetattr(STDIN_FILENO, TCSANOW, &attributes)  // first: writing may block, after Ctrl-S for example
        write("\u{1B}[?25h\u{1B}[?1049l")
        state.isEntered = false
    }

    /// A terminal that is closed is no error: SIGHUP says so.
    private func write(_ text: String) { try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8)) }
}

/// What a key does.
func readKeys(of screen: Screen, for daemon: Daemon, until stop: StopToken) throws {
    while !stop.isRequested {
        switch screen.nextKey() {
        case nil: break
        case UInt8(ascii: "q"): daemon.shutdown()
        case UInt8(ascii: "e"): throw CocoaError(.fileReadCorruptFile)
        case UInt8(ascii: "h"):
            screen.show("hangs")
            Thread.sleep(forTimeInterval: 3600)
        case let key?: screen.show("key \(key)")
        }
    }
}

guard let screen = Screen() else {
    print("fullscreen wants a terminal")
    exit(1)
}
await Daemon.main(policy: .commandLine) { daemon in
    daemon.atExit(screen.close)  // last of all, and at a forced exit too
    try daemon.onSignal(.sigtstp) { _ in screen.suspend() }  // Ctrl-Z
    try daemon.onSignal(.sigcont) { _ in screen.resume() }  // fg
    try daemon.onSignal(.sigwinch) { _ in screen.redraw() }  // a new size
    try daemon.addThread("keys") { stop in try readKeys(of: screen, for: daemon, until: stop) }
    screen.show("press q")
    await daemon.shutdownRequested()
}
