/// The state of a process or thread, as `proc_pid_status(5)` names it with a letter.
enum RunState: Hashable, Sendable {
    case running, sleeping, idle, uninterruptible, stopped, traced, zombie, dead
    /// A letter that this version does not know.
    case other(Character)

    init(letter: Character) {
        self =
            switch letter {
            case "R": .running
            case "S": .sleeping
            case "I": .idle
            case "D": .uninterruptible
            case "T": .stopped
            case "t": .traced
            case "Z": .zombie
            case "X", "x": .dead
            default: .other(letter)
            }
    }

    var hasEnded: Bool { self == .zombie || self == .dead }

    /// The name in the output for programs.
    var name: String {
        switch self {
        case .running: "running"
        case .sleeping: "sleeping"
        case .idle: "idle"
        case .uninterruptible: "uninterruptible"
        case .stopped: "stopped"
        case .traced: "traced"
        case .zombie: "zombie"
        case .dead: "dead"
        case .other(let letter): String(letter)
        }
    }

    /// The state in words, for people.
    var words: String {
        switch self {
        case .running: "runs"
        case .sleeping: "sleeps"
        case .idle: "is idle"
        case .uninterruptible: "is in an uninterruptible sleep"
        case .stopped: "is stopped"
        case .traced: "is stopped by its tracer"
        case .zombie: "is a zombie"
        case .dead: "is dead"
        case .other(let letter): "is in the state \(letter)"
        }
    }
}
