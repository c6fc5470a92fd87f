import Foundation

/// System calls and instructions for each signal, from the signal to the answer and back to sleep: the same on a busy machine.
struct Counts {
    struct Row: Codable {
        let name: String
        let group: Contestant.Group
        /// Of all threads, by strace.
        let systemCalls: Double?
        /// In user space, of all threads, by callgrind.
        let instructions: Int?
        /// Those of them in each library.
        let places: [Counter.Place: Int]
        /// Those of them in the signal handler, where there is one whose name is known.
        let inHandler: Int?
    }

    private(set) var rows: [Row] = []
    private(set) var skipped: [String: String] = [:]
    private static let handlers = ["selfpipe": "on_ping", "threads": "on_ping", "c-handler": "csigshim__handler"]

    init(_ contestants: [Contestant], _ programs: Programs, pings: Int) {
        let counter = Counter()
        defer { counter.removeFiles() }
        for contestant in contestants {
            guard let command = programs.command(contestant, "pingpong") else {
                skipped[contestant.name] = "is not installed"
                continue
            }
            var systemCalls: Double?
            var instructions: Counter.Instructions?
            do throws(Skipped) {
                systemCalls = try counter.systemCalls(command, pings: pings)
            } catch {
                skipped["system calls, \(contestant.name)"] = error.description
            }
            do throws(Skipped) {
                guard contestant.group != .node, contestant.group != .go else {
                    throw .because("its runtime does not work under callgrind")
                }
                instructions = try counter.instructions(
                    command, pings: pings, strip: contestant.group != .python, handler: Self.handlers[contestant.name])
            } catch {
                skipped["instructions, \(contestant.name)"] = error.description
            }
            rows.append(
                Row(
                    name: contestant.name, group: contestant.group,
                    systemCalls: systemCalls.map { ($0 * 10).rounded() / 10 }, instructions: instructions?.whole,
                    places: instructions?.places ?? [:], inHandler: instructions?.inHandler))
            progress("counts: \(contestant.name)")
        }
    }

    subscript(name: String) -> Row? { rows.first { $0.name == name } }
}
