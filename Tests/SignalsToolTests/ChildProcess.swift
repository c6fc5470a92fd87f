import Foundation
import TestSupport

#if os(Linux)
    /// A program that the test has started, with no signal blocked or ignored. Its input and output is one socket, so it
    /// sees the end of its input when the test closes it or ends.
    final class ChildProcess: Sendable {
        struct Ended {
            /// As `waitpid(2)` reports it.
            let status: Int32
            let output: String
            let errors: String

            /// The exit status, or the negative number of the signal that ended it.
            var code: Int32 { status & 0x7f != 0 ? -(status & 0x7f) : status >> 8 & 0xff }
        }
        struct Failure: Error {
            let text: String
        }

        let id: pid_t
        private let output: Int32
        private let errors: Int32

        /// The directory of what was built, in which the tests are, too.
        static let binaries = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent()
            .path

        static func tool(_ arguments: String..., environment: [String: String] = [:]) async throws -> Ended {
            try await ChildProcess([binaries + "/signals"] + arguments, environment: environment).end()
        }

        /// - Parameter terminal: a descriptor to be its input and output instead.
        init(_ words: [String], environment: [String: String] = [:], terminal: Int32? = nil) throws {
            let (ownOutput, itsOutput) = try Self.sockets()
            let (ownErrors, itsErrors) = try Self.sockets()
            defer { for end in [itsOutput, itsErrors] { close(end) } }
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            for end in [Int32(0), 1] { posix_spawn_file_actions_adddup2(&actions, terminal ?? itsOutput, end) }
            posix_spawn_file_actions_adddup2(&actions, itsErrors, 2)
            var attributes = posix_spawnattr_t()
            posix_spawnattr_init(&attributes)
            defer { posix_spawnattr_destroy(&attributes) }
            var signals = sigset_t()
            sigemptyset(&signals)
            posix_spawnattr_setsigmask(&attributes, &signals)
            sigfillset(&signals)
            posix_spawnattr_setsigdefault(&attributes, &signals)
            posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
            let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
            var arguments = words.map { strdup($0) } + [nil]
            var strings = variables.map { strdup("\($0)=\($1)") } + [nil]
            defer { for string in arguments + strings { free(string) } }
            var child: pid_t = 0
            let failure = posix_spawn(&child, words[0], &actions, &attributes, &arguments, &strings)
            if failure != 0 { throw Failure(text: "\(words[0]): \(String(cString: strerror(failure)))") }
            (id, output, errors) = (child, ownOutput, ownErrors)
        }

        deinit {
            close(output)
            close(errors)
        }

        private static func sockets() throws -> (Int32, Int32) {
            var ends: [Int32] = [0, 0]
            let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
            if socketpair(AF_UNIX, type, 0, &ends) != 0 { throw Failure(text: "socketpair: \(errno)") }
            return (ends[0], ends[1])
        }

        /// The next line of its output; `nil` at the end, and after a while.
        func line() async -> String? {
            let output = output
            return await onThread {
                var line: [UInt8] = []
                var byte: UInt8 = 0
                while Self.waitForInput(output), read(output, &byte, 1) == 1 {
                    if byte == 0x0a { return String(decoding: line, as: UTF8.self) }
                    line.append(byte)
                }
                return nil
            }
        }

        /// Reads lines until each of the texts was the end of one. The result is the first line; `nil` if one never came.
        func line(before texts: String...) async -> String? {
            var first: String?
            var missing = texts
            while !missing.isEmpty, let line = await line() {
                first = first ?? line
                missing.removeAll { line.hasSuffix($0) }
            }
            return missing.isEmpty ? first : nil
        }

        /// Ends its input, and waits for its end.
        func end() async -> Ended { await onThread { self.endAndBlock() } }

        func endAndBlock() -> Ended {
            shutdown(output, Int32(SHUT_WR))
            let (text, complaints) = (Self.rest(of: output), Self.rest(of: errors))
            var status: Int32 = 0
            while waitpid(id, &status, 0) < 0 && errno == EINTR {}
            return Ended(status: status, output: text, errors: complaints)
        }

        private static func rest(of descriptor: Int32) -> String {
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            while waitForInput(descriptor) {
                let count = read(descriptor, &buffer, buffer.count)
                if count <= 0 { break }
                bytes += buffer[..<count]
            }
            return String(decoding: bytes, as: UTF8.self)
        }

        private static func waitForInput(_ descriptor: Int32) -> Bool {
            var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            return Glibc.poll(&poll, 1, Int32(patience * 1000)) > 0
        }
    }
#endif
