import Foundation

#if os(Linux)
    /// A control group of version 2 that freezes a process.
    struct Freezer {
        private let process: pid_t
        private let directory: String

        /// Where this process may make control groups; `nil` if nowhere.
        private static let root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].first {
            FileManager.default.fileExists(atPath: $0 + "/cgroup.procs") && access($0 + "/cgroup.procs", W_OK) == 0
        }

        static var isAvailable: Bool {
            guard let root else { return false }
            let directory = "\(root)/signals-probe-\(getpid())"
            defer { rmdir(directory) }
            return mkdir(directory, 0o755) == 0 && access(directory + "/cgroup.freeze", W_OK) == 0
        }

        init(_ process: pid_t) throws {
            self.process = process
            directory = "\(Self.root ?? "")/signals-test-\(process)"
            mkdir(directory, 0o755)
            try write("\(process)", to: directory + "/cgroup.procs")
            try write("1", to: directory + "/cgroup.freeze")
        }

        /// Thaws the process, and removes the group.
        func remove() {
            try? write("0", to: directory + "/cgroup.freeze")
            try? write("\(process)", to: (Self.root ?? "") + "/cgroup.procs")
            rmdir(directory)
        }

        private func write(_ text: String, to path: String) throws {
            let file = open(path, O_WRONLY | O_CLOEXEC)
            defer { close(file) }
            if Glibc.write(file, text, text.utf8.count) < 0 { throw ChildProcess.Failure(text: "\(path): \(errno)") }
        }
    }
#endif
