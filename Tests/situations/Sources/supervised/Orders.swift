import Glibc

/// A directory shared with run.py: its files tell the daemon what to do, and the daemon writes there what it did.
struct Orders: Sendable {
    private let directory: String

    /// The directory is that of the environment variable `SUPERVISED`.
    init() {
        directory = getenv("SUPERVISED").map { String(cString: $0) } ?? "/run/supervised"
    }

    func has(_ name: String) -> Bool { access("\(directory)/\(name)", F_OK) == 0 }

    /// Returns when the file is gone, and not earlier, although the task is cancelled.
    func wait(whileThereIs name: String) async {
        while has(name) {
            await Task.detached { try? await Task.sleep(for: .milliseconds(20)) }.value
        }
    }

    /// Appends a line to the file `log`.
    func log(_ line: String) {
        let file = open("\(directory)/log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        let text = line + "\n"
        _ = write(file, text, text.utf8.count)
        close(file)
    }
}
