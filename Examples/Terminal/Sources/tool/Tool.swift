// A command-line tool with options, a temporary directory and a progress line.
import ArgumentParser
import Foundation
import SignalBridge
import SignalDaemon
import Synchronization

@main struct Tool: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Renders pages, and binds them in a file.")
    @Option(help: "How many pages to render.") var pages: UInt = 100
    @Option(help: "How long a page takes, in milliseconds.") var pace: UInt = 50
    @Argument(help: "The file to write.") var output: String

    mutating func run() async throws {
        let command = self  // a copy, because a closure that escapes cannot use `self` here
        let report = try await Daemon.run(policy: .commandLine) { try await command.render($0) }
        if case .signal = report.exitStatus { report.exit() }  // Ctrl-C: the shell sees SIGINT
        do {
            try report.result.get()  // an error: ArgumentParser prints it, and chooses the exit code
        } catch is CancellationError {
            throw ExitCode(128 + (report.signal?.signal.rawValue ?? 0))  // SIGTERM, SIGHUP: no file
        }
    }

    private func render(_ daemon: Daemon) async throws {
        let files = FileManager.default
        if files.fileExists(atPath: output) { throw ValidationError("\(output) exists; name another file.") }
        let directory = files.temporaryDirectory.appending(path: "tool-\(UUID())")
        try files.createDirectory(at: directory, withIntermediateDirectories: false)
        daemon.atExit { try? FileManager.default.removeItem(at: directory) }  // at a forced exit, too

        let line = ProgressLine()
        daemon.atExit(line.clear)
        try daemon.onSignal(.sigtstp) { _ in line.suspend() }  // Ctrl-Z
        try daemon.onSignal(.sigcont) { _ in line.repaint() }  // fg
        try daemon.onSignal(.sigwinch) { _ in line.repaint() }  // a new size

        line.show("0 of \(pages) pages")
        for page in 0..<pages {
            try content(of: page).write(to: directory.appending(path: "\(page)"))
            line.show("\(page + 1) of \(pages) pages")
            try Task.checkCancellation()
        }
        let book = try (0..<pages).map { try Data(contentsOf: directory.appending(path: "\($0)")) }
        try Data(book.joined()).write(to: URL(filePath: output), options: .atomic)
    }

    private func content(of page: UInt) -> Data {
        Thread.sleep(forTimeInterval: Double(pace) / 1000)  // stands for work that does not know cancellation
        return Data("page \(page)\n".utf8)
    }
}

/// A line on the terminal that tells how far the work is. It is shown while the program is in the foreground.
final class ProgressLine: Sendable {
    private let text = Mutex("")

    func show(_ new: String) {
        text.withLock { text in
            text = new
            paint(text)
        }
    }

    func repaint() { text.withLock { paint($0) } }
    func clear() { show("") }

    func suspend() {
        text.withLock { _ in  // nobody paints between these two
            paint("")
            try? SignalNumber.sigtstp.performDefaultAction()  // the process stops here, and goes on here
        }
    }

    private func paint(_ text: String) {
        guard tcgetpgrp(STDERR_FILENO) == getpgrp() else { return }  // no terminal, or another program has it
        var size = winsize()
        let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        let line = text.prefix(isKnown ? Int(size.ws_col) - 1 : 79)
        try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K\(line)".utf8))
    }
}
