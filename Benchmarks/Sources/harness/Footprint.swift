import Foundation

/// What it costs to be there: system calls until armed, memory, descriptors, and system calls while nothing happens.
struct Footprint {
    struct Row: Codable {
        let name: String
        let group: Contestant.Group
        /// System calls until it was ready, of all its threads; the runtime's own are in it. `nil`: no strace.
        let callsToReady: Int?
        /// From the start of the process until it was ready, in milliseconds: the median of some starts.
        let millisecondsToReady: Double
        let residentKiB, descriptors, threads: Int
        /// System calls in the time of `idleSeconds`.
        let idleCalls: Int?
    }

    let idleSeconds: Double
    /// Of this library: once a task has run, Dispatch looks after Swift's pool, four calls a second.
    static let runTasks = ["events", "daemon"]
    private(set) var rows: [Row] = []
    private(set) var skipped: [String: String] = [:]

    /// All of them sit idle at the same time.
    init(_ contestants: [Contestant], _ programs: Programs, starts: Int, settleSeconds: Double, idleSeconds: Double) {
        self.idleSeconds = idleSeconds
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bench-\(getpid())")
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let strace = ["/usr/bin/strace", "/bin/strace"].first { FileManager.default.isExecutableFile(atPath: $0) }
        if strace == nil { skipped["system calls"] = "strace is not installed" }

        struct Sitting {
            let contestant: Contestant
            let running: Running
            let millisecondsToReady: Double
            let traced: Running?
            let log: String
            var before = 0
        }
        var sitting: [Sitting] = []
        for contestant in contestants {
            do throws(Skipped) {
                guard let command = programs.command(contestant, "pingpong") else {
                    throw .because("is not installed")
                }
                let log = folder.appendingPathComponent(contestant.name).path
                var ready: [Double] = []
                for _ in 0..<starts { ready.append(try Running(command).secondsToReady * 1000) }
                let running = try Running(command)
                let traced = try strace.map { strace throws(Skipped) in  // -D: the contestant is the child
                    try Running([strace, "-D", "-f", "-qq", "-s", "1", "-o", log] + command)
                }
                sitting.append(
                    Sitting(
                        contestant: contestant, running: running, millisecondsToReady: ready.sorted()[starts / 2],
                        traced: traced, log: log))
            } catch {
                skipped[contestant.name] = error.description
            }
        }
        usleep(UInt32(settleSeconds * 1e6))  // Dispatch's threads that have nothing to do end after five
        for index in sitting.indices { sitting[index].before = Strace.calls(sitting[index].log).total }
        usleep(UInt32(idleSeconds * 1e6))
        for one in sitting {
            let file = ProcessFile(one.running.process)
            let calls = one.traced.map { _ in Strace.calls(one.log) }
            rows.append(
                Row(
                    name: one.contestant.name, group: one.contestant.group, callsToReady: calls?.toReady,
                    millisecondsToReady: one.millisecondsToReady, residentKiB: file.status("VmRSS"),
                    descriptors: file.descriptors, threads: file.status("Threads"),
                    idleCalls: calls.map { $0.total - one.before }))
            one.running.end()
            one.traced?.end()
        }
    }

    subscript(name: String) -> Row? { rows.first { $0.name == name } }
}
