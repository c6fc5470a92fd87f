import Foundation

/// What /proc tells of a process.
struct ProcessFile {
    private let folder: String

    init(_ process: pid_t) { folder = "/proc/\(process)" }

    private func text(_ file: String) -> String {
        (try? String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)) ?? ""
    }

    /// A number of /proc/PID/status, such as VmRSS in KiB, or Threads.
    func status(_ name: String) -> Int {
        let line = text("status").split(separator: "\n").first { $0.hasPrefix("\(name):") } ?? ""
        return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0
    }

    /// Of all its threads.
    var cpuSeconds: Double {
        let fields = text("stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    var descriptors: Int { (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/fd").count) ?? 0 }

    var children: [pid_t] {
        text("task/\((folder as NSString).lastPathComponent)/children").split(separator: " ").compactMap { pid_t($0) }
    }
}
