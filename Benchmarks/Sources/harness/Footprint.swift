import Foundation

/// What it costs to be there: system calls until armed, memory, descriptors, and system calls while nothing happens.
struct Footprint {
    struct Row: Codable {
        let name: String
        let group: Contestant.Group
        /// System calls until it was ready, of all its threads; the runtime's own are in it. `nil`: no strace.
        let callsToReady: Int?
        let residentKiB, descriptors, threads: Int
        /// System calls in the time of `idleSeconds`.
        let idleCalls: Int?
    }

    let idleSeconds: Double
    private(set) var rows: [Row] = []
    private(set) var skipped: [String: String] = [:]

    /// All of them sit idle at the same time.
    init(_ contestants: [Contestant], _ programs: Programs, settleSeconds: Double, idleSeconds: Double) {
        self.idleSeconds = idleSeconds
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bench-\(getpid())")
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let strace = ["/usr/bin/strace", "/bin/strace"].first { FileManager.default.isExecutableFile(atPath: $0) }
        if strace == nil { skipped["system calls"] = "strace is not installed" }

        struct Sitting {
            let contestant: Contestant
            let running, traced: Running?
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
                let running = try Running(command)
                let traced = try strace.map { strace throws(Skipped) in
                    try Running([strace, "-f", "-qq", "-s", "1", "-o", log] + command)
                }
                sitting.append(Sitting(contestant: contestant, running: running, traced: traced, log: log))
            } catch {
                skipped[contestant.name] = error.description
            }
        }
        usleep(UInt32(settleSeconds * 1e6))  // Dispatch's threads that have nothing to do end after five
        for index in sitting.indices { sitting[index].before = Self.calls(sitting[index].log).total }
        usleep(UInt32(idleSeconds * 1e6))
        for one in sitting {
            let file = ProcessFile(one.running!.process)
            let calls = one.traced.map { _ in Self.calls(one.log) }
            rows.append(
                Row(
                    name: one.contestant.name, group: one.contestant.group, callsToReady: calls?.toReady,
                    residentKiB: file.status("VmRSS"), descriptors: file.descriptors, threads: file.status("Threads"),
                    idleCalls: calls.map { $0.total - one.before }))
            one.running!.end()
            if let traced = one.traced {  // its child first: strace lets go of it when it is killed itself
                for child in ProcessFile(traced.process).children { kill(child, SIGKILL) }
                _ = traced.lastWords(patience: 5)
                traced.end()
            }
        }
    }

    subscript(name: String) -> Row? { rows.first { $0.name == name } }

    /// Lines of strace's log, and those before the contestant said that it is ready.
    private static func calls(_ log: String) -> (total: Int, toReady: Int) {
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        let lines = text.split(separator: "\n").filter { !$0.contains("resumed>") }
        return (lines.count, lines.firstIndex { $0.contains("write(1, \"R\"") } ?? lines.count)
    }
}

/// Instructions in user space for each signal, by callgrind: the same whatever else the machine does.
struct Instructions {
    struct Row: Codable {
        let name: String
        /// From the signal to the byte, and back to sleep.
        let whole: Int
        /// In the signal handler, for those that have one.
        let handler: Int?
    }

    private(set) var rows: [Row] = []
    private(set) var skipped: [String: String] = [:]

    init(_ contestants: [Contestant], _ programs: Programs, handlers: [String: String], pings: Int) {
        guard let valgrind = ["/usr/bin/valgrind"].first(where: { FileManager.default.isExecutableFile(atPath: $0) })
        else {
            skipped["instructions"] = "valgrind is not installed"
            return
        }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bench-stripped-\(getpid())")
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for contestant in contestants {
            do throws(Skipped) {
                guard let original = programs.command(contestant, "pingpong") else {
                    throw .because("is not installed")
                }
                let command = Self.stripped(original, in: folder)
                let profile = folder.appendingPathComponent("profile").path
                let tool = [valgrind, "--tool=callgrind", "--callgrind-out-file=\(profile)"]
                let few = try Self.count(tool + command, pings: pings)
                let more = try Self.count(tool + command, pings: 11 * pings)
                let handler = handlers[contestant.name].flatMap { Self.inclusive(of: $0, in: profile) }
                let all = 11 * pings + 11 * pings / 5
                rows.append(
                    Row(name: contestant.name, whole: (more - few) / (12 * pings), handler: handler.map { $0 / all }))
            } catch {
                skipped[contestant.name] = error.description
            }
            progress("instructions: \(contestant.name)")
        }
    }

    /// What callgrind_annotate says of a function and of what it calls.
    private static func inclusive(of function: String, in profile: String) -> Int? {
        let text = Results.Machine.output([
            "/usr/bin/callgrind_annotate", "--inclusive=yes", "--threshold=100", profile,
        ])
        let line = text.split(separator: "\n").first { $0.contains(":\(function) ") || $0.hasSuffix(":\(function)") }
        return line?.split(separator: " ").first.flatMap { Int($0.replacingOccurrences(of: ",", with: "")) }
    }

    /// A copy without debugging information, which some versions of valgrind cannot read; it has its symbols.
    private static func stripped(_ command: [String], in folder: URL) -> [String] {
        let copy = folder.appendingPathComponent((command[0] as NSString).lastPathComponent).path
        if !FileManager.default.fileExists(atPath: copy) {
            _ = Results.Machine.output(["/usr/bin/strip", "-g", "-o", copy, command[0]])
        }
        return FileManager.default.fileExists(atPath: copy) ? [copy] + command.dropFirst() : command
    }

    /// Its standard error goes into a file, from which callgrind's own count is read.
    private static func count(_ command: [String], pings: Int) throws(Skipped) -> Int {
        let log = NSTemporaryDirectory() + "/bench-callgrind-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: log) }
        var command = command
        command.insert("--log-file=\(log)", at: 1)
        let running = try Running(command, readyWithin: 60)
        _ = try running.ping(pings, warmUp: pings / 5)
        kill(running.process, SIGTERM)
        _ = running.lastWords(patience: 20)
        running.end()
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.contains("Collected :") }
        guard let number = line?.split(separator: " ").last.flatMap({ Int($0) }) else {
            throw .because("callgrind gave no count")
        }
        return number
    }
}
