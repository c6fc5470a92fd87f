/// The reason why a process could not be inspected.
enum InspectionError: Error, Hashable, CustomStringConvertible {
    case noSuchProcess(Int32)
    case hidden(Int32)
    case unreadable(path: String, reason: String)
    case noProcFileSystem
    case notLinux

    var description: String {
        switch self {
        case .noSuchProcess(let pid): "there is no process \(pid)"
        case .hidden(let pid):
            "process \(pid) exists, but /proc hides it from you (mount option hidepid); try as root"
        case .unreadable(let path, let reason): "\(path): \(reason)"
        case .noProcFileSystem: "there is no /proc; mount it: mount -t proc proc /proc"
        case .notLinux: "inspect and watch read /proc of Linux, which this system does not have"
        }
    }
}
