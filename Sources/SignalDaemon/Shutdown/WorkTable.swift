/// The work of a daemon, by id: running work, and work that is registered to run later.
struct WorkTable {
    struct Item {
        let name: String
        /// `nil`: a reload, which is not in the report.
        let kind: DaemonTask.Kind?
        var onShutdown = ShutdownBehavior.drain
        var onFailure = FailureBehavior.shutDown
        /// The caller waits for the result and handles its error.
        var isErrorHandled = false
        /// A shutdown reaches this work only when the work of this name has ended.
        var after: String?
        /// The time for a clean-up; `nil`: its share of the period.
        var limit: Duration?
        fileprivate(set) var since = Duration.zero
        fileprivate(set) var isCancelled = false
    }

    private(set) var running: [Int: Item] = [:]
    private var registered: [Int: Item] = [:]
    /// The running work that a shutdown has not reached.
    private var untold: Set<Int> = []
    /// The ids of registered work, in the order of registration.
    private(set) var actions: [Int] = []
    private(set) var cleanups: [Int] = []
    private var lastID = -1

    /// The running work, in the order of its start. Registered work got its id earlier than that.
    func list(at now: Duration) -> [RunningWork] {
        running.sorted { ($0.value.since, $0.key) < ($1.value.since, $1.key) }.compactMap { _, item in
            item.kind.map {
                RunningWork(name: item.name, kind: $0, since: now - item.since, isCancelled: item.isCancelled)
            }
        }
    }

    var runningIDs: [Int] { running.keys.sorted() }
    var reloadIDs: [Int] { runningIDs.filter { running[$0]!.kind == nil } }
    /// Whether anything runs besides reloads.
    var hasWork: Bool { running.values.contains { $0.kind != nil } }
    /// Whether anything runs that clean-up waits for.
    var delaysCleanup: Bool { running.values.contains { $0.kind != .cleanup } }
    /// The work that a forced exit would abandon now: running work, then the clean-ups that have not started.
    var unfinished: [Item] { runningIDs.map { running[$0]! } + cleanups.reversed().map { registered[$0]! } }

    /// The work that a shutdown can reach now, in the order of the ids.
    var toldNext: [Int] {
        if untold.isEmpty { return [] }
        let names = Set(running.values.map(\.name))
        return untold.sorted().filter { id in
            !(running[id]!.after.map(names.contains) ?? false)
        }
    }

    func isTold(_ id: Int) -> Bool { !untold.contains(id) }

    /// Whether work of this name after work of the other name would wait for itself.
    func isCycle(_ name: String, after other: String?) -> Bool {
        var (next, seen) = (other.map { [$0] } ?? [], Set<String>())
        while let current = next.popLast() {
            if current == name { return true }
            guard seen.insert(current).inserted else { continue }
            next += running.values.filter { $0.name == current }.compactMap(\.after)
        }
        return false
    }

    /// The sum of the limits of the clean-ups that have not started, and the number of those without a limit.
    var waitingCleanups: (limits: Duration, unlimited: Int) {
        let limits = cleanups.compactMap { registered[$0]!.limit }
        return (limits.reduce(.zero, +), cleanups.count - limits.count)
    }

    /// Adds work that its caller starts. The first, the body, has the id 0.
    mutating func add(_ item: Item, at now: Duration) -> Int {
        lastID += 1
        begin(lastID, item, at: now)
        return lastID
    }

    mutating func register(_ item: Item) -> Int {
        lastID += 1
        registered[lastID] = item
        if item.kind == .cleanup { cleanups.append(lastID) } else { actions.append(lastID) }
        return lastID
    }

    /// Starts the actions, which are registered for the shutdown.
    mutating func startActions(at now: Duration) -> [Int] {
        for id in actions { start(id, at: now) }
        return exchange(&actions, with: [])
    }

    mutating func dropActions() {
        for id in actions { registered[id] = nil }
        actions = []
    }

    /// Starts the clean-up that was registered last.
    mutating func startCleanup(at now: Duration) -> Int? {
        guard let id = cleanups.popLast() else { return nil }
        start(id, at: now)
        return id
    }

    private mutating func start(_ id: Int, at now: Duration) {
        begin(id, registered.removeValue(forKey: id)!, at: now)
    }

    private mutating func begin(_ id: Int, _ item: Item, at now: Duration) {
        running[id] = item
        running[id]!.since = now
        if let kind = item.kind, kind != .cleanup { untold.insert(id) }
    }

    /// Marks work as cancelled; `false` if it was cancelled already, or does not run.
    mutating func cancel(_ id: Int) -> Bool {
        guard running[id]?.isCancelled == false else { return false }
        running[id]!.isCancelled = true
        return true
    }

    /// Marks work as reached by the shutdown, and returns it.
    mutating func tell(_ id: Int) -> Item {
        untold.remove(id)
        return running[id]!
    }

    mutating func end(_ id: Int) -> Item? {
        untold.remove(id)
        return running.removeValue(forKey: id)
    }
}
