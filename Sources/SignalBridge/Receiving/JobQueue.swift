/// The jobs of a loop, the thread that is inside it, and the decision when to wake it. A plain value: the loop calls it
/// under a lock, and then acts. The invariants L1 to L5 are in SignalLoop.swift.
struct JobQueue {
    /// A reason for a thread to leave the loop: a call of `stop()`, or the end of the body of `run(_:)`.
    enum End {
        case stopped
        case finished
    }

    /// The next step of a thread that runs the loop.
    enum Next {
        case work
        case sleep
        case end
    }

    private var jobs: [UnownedJob] = []
    private var ends: [End] = []
    /// Whether a thread is going to look at the jobs: the thread inside, or one that is being woken (L1).
    private(set) var isAttended = false
    private var isEntered = false

    var isEmpty: Bool { jobs.isEmpty }

    /// Lets a thread in. Returns `false` if another one is inside.
    mutating func enter() -> Bool {
        if isEntered { return false }
        isEntered = true
        isAttended = true
        return true
    }

    /// Begins a pass of the thread inside, perhaps after it slept. Returns the number of jobs that are ready.
    mutating func beginPass() -> Int {
        isAttended = true
        return jobs.count
    }

    /// Adds a job. Returns whether the caller is to wake the loop.
    mutating func add(_ job: UnownedJob) -> Bool {
        jobs.append(job)
        return attend()
    }

    /// Asks the thread that runs the loop to leave. Returns whether the caller is to wake the loop.
    mutating func end(_ end: End) -> Bool {
        if !ends.contains(end) { ends.append(end) }
        return attend()
    }

    private mutating func attend() -> Bool { !exchange(&isAttended, with: true) }

    /// Replaces the contents of `batch` by the next jobs, in order, and reuses its memory.
    mutating func take(atMost limit: Int, into batch: inout [UnownedJob]) {
        batch.removeAll(keepingCapacity: batch.count <= 1024)
        if jobs.count <= limit {
            swap(&jobs, &batch)
        } else {
            batch += jobs.prefix(limit)
            jobs.removeFirst(limit)
        }
    }

    /// Decides what the thread does after a pass: continue, sleep until it is woken, or leave.
    mutating func next(until end: End) -> Next {
        if let index = ends.firstIndex(of: end) {
            ends.remove(at: index)
            return .end
        }
        isAttended = !jobs.isEmpty
        return isAttended ? .work : .sleep
    }

    /// Lets the thread out. `more`: there are signals that it has not read. Returns whether it is to wake the loop.
    mutating func leave(more: Bool) -> Bool {
        isEntered = false
        isAttended = more || !jobs.isEmpty
        return isAttended
    }
}
