/// The jobs of a loop, and who has to wake it for them. A plain value: it decides, and somebody else acts.
struct JobQueue<Job> {
    /// Why a thread that runs the loop would stop.
    enum End {
        /// `stop()` asked for it.
        case stopped
        /// The body of `run(_:)` has returned.
        case finished
    }

    /// What a thread that runs the loop does next.
    enum Next {
        case work
        case sleep
        case end
    }

    private var jobs: [Job] = []
    private var ends: Set<End> = []
    /// A thread is at work and looks here before it sleeps or leaves, or somebody has woken one, or is about to.
    private(set) var isAttended = false

    var isEmpty: Bool { jobs.isEmpty }

    /// `true`: the caller is to wake the loop.
    mutating func add(_ job: Job) -> Bool {
        jobs.append(job)
        return attend()
    }

    /// `true`: the caller is to wake the loop.
    mutating func end(_ end: End) -> Bool {
        ends.insert(end)
        return attend()
    }

    private mutating func attend() -> Bool {
        defer { isAttended = true }
        return !isAttended
    }

    /// A thread is at work. Returns how many jobs are ready.
    mutating func begin() -> Int {
        isAttended = true
        return jobs.count
    }

    /// The next jobs, in order, in place of those that `batch` held; its memory is used again.
    mutating func take(atMost limit: Int, into batch: inout [Job]) {
        batch.removeAll(keepingCapacity: batch.count <= 1024)
        if jobs.count <= limit {
            swap(&jobs, &batch)
        } else {
            batch += jobs.prefix(limit)
            jobs.removeFirst(limit)
        }
    }

    /// After some work: whether there is more to do, or the thread may sleep, until somebody wakes it.
    mutating func next(until end: End) -> Next {
        if ends.remove(end) != nil { return .end }
        isAttended = !jobs.isEmpty
        return isAttended ? .work : .sleep
    }

    /// The thread leaves. `true`: there is more to do, and the caller is to wake the loop for it.
    mutating func leave(more: Bool) -> Bool {
        isAttended = more || !jobs.isEmpty
        return isAttended
    }
}
