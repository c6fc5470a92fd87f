#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The reason why a file could not be read: a code of `errno(3)`.
struct FileError: Error, Hashable {
    let code: Int32

    /// Whether the process or thread has ended in the meantime.
    var isGone: Bool { code == ENOENT || code == ESRCH }
    var text: String { String(cString: strerror(code)) }
}

/// Reads files of `/proc`, with only the C library.
enum ProcFiles {
    /// Returns the whole text, without characters that could mislead the user of a terminal.
    static func text(_ path: String) throws(FileError) -> String {
        harmless(String(decoding: try bytes(path), as: UTF8.self))
    }

    /// Replaces control characters other than line ends, tabs and NUL by "?". So the name of a process cannot send
    /// escape sequences to the terminal. Characters that separate lines or change the direction of writing are
    /// replaced, too.
    static func harmless(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isHarmful =
                switch scalar {
                case "\n", "\t", "\0": false
                case "\u{2028}"..."\u{202E}", "\u{2066}"..."\u{2069}": true
                default: scalar.properties.generalCategory == .control
                }
            result.append(isHarmful ? "?" : scalar)
        }
        return String(result)
    }

    static func bytes(_ path: String) throws(FileError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        if file < 0 { throw FileError(code: errno) }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = read(file, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            if count < 0 { throw FileError(code: errno) }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    /// Returns a word of another process's memory; `nil` if that may not be read.
    static func word(at address: UInt64, of path: String) -> UInt64? {
        guard let offset = off_t(exactly: address) else { return nil }
        let file = open(path, O_RDONLY | O_CLOEXEC)
        if file < 0 { return nil }
        defer { close(file) }
        var word: UInt64 = 0
        return pread(file, &word, 8, offset) == 8 ? word : nil
    }

    /// The entries of a directory that are numbers, sorted.
    static func numbers(in path: String) throws(FileError) -> [Int32] {
        guard let directory = opendir(path) else { throw FileError(code: errno) }
        defer { closedir(directory) }
        var numbers: [Int32] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let number = Int32(name) { numbers.append(number) }
        }
        return numbers.sorted()
    }

    /// Whether a signal may be sent to the process: `kill(2)` with the signal 0, which checks and sends nothing.
    static func checkPermission(_ process: Int32) -> FileError? {
        kill(process, 0) == 0 ? nil : FileError(code: errno)
    }

    /// Whether the process is in the session of this program.
    static func isOfOwnSession(_ process: Int32) -> Bool { getsid(process) == getsid(0) }

    /// Whether `/proc` has the pids that `kill(2)` uses here. A new PID namespace without its own mount shows the pids
    /// of the outer one.
    static var isOfOwnNamespace: Bool { target(of: "/proc/self") == String(getpid()) }

    /// Whether this program is in the first PID namespace, whose PID 1 is the init of the kernel.
    static var isInFirstNamespace: Bool { target(of: "/proc/self/ns/pid") == "pid:[4026531836]" }

    /// Returns the target of a symbolic link; empty if that may not be read.
    private static func target(of link: String) -> String {
        var target = [UInt8](repeating: 0, count: 64)
        let length = target.withUnsafeMutableBytes { bytes in
            readlink(link, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        return String(decoding: target.prefix(max(0, length)), as: UTF8.self)
    }
}
