/// The work of a daemon by id: what runs, and what is registered to run later.
struct WorkTable {
    struct Item {
        let name: String
        /// `nil`: a reload, which is not in the report.
        let kind: DaemonTask.Kind?
        var onShutdown = ShutdownBehavior.drain
        var onFailure = FailureBehavior.shutDown
        /// The caller waits for the result and handles its error.
        var isErrorHandled = false
        fileprivate(set) var since = Duration.zero
        private(set) var isCancelled = false

        fileprivate mutating func cancel() { isCancelled = true }
    }

    private(set) var running: [Int: Item] = [:]
    private var registered: [Int: Item] = [:]
    /// Ids of what is registered, in the order of registration.
    private(set) var actions: [Int] = []
    private(set) var cleanups: [Int] = []
    private var lastID = -1

    var runningIDs: [Int] { running.keys.sorted() }
    var reloadIDs: [Int] { runningIDs.filter { running[$0]!.kind == nil } }
    /// Whether anything runs besides reloads.
    var hasWork: Bool { running.values.contains { $0.kind != nil } }
    /// Whether anything runs that clean-up waits for.
    var delaysCleanup: Bool { running.values.contains { $0.kind != .cleanup } }
    /// What would be left behind now: what runs, then the clean-ups that have not started.
    var unfinished: [Item] { runningIDs.map { running[$0]! } + cleanups.reversed().map { registered[$0]! } }

    /// Adds work that its caller starts. The first, the body, has the id 0.
    mutating func add(_ item: Item, at now: Duration) -> Int {
        lastID += 1
        running[lastID] = item
        running[lastID]!.since = now
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
        defer { actions = [] }
        for id in actions { start(id, at: now) }
        return actions
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
        running[id] = registered.removeValue(forKey: id)
        running[id]!.since = now
    }

    /// Marks work as cancelled; `false` if it was so already, or does not run.
    mutating func cancel(_ id: Int) -> Bool {
        guard running[id]?.isCancelled == false else { return false }
        running[id]!.cancel()
        return true
    }

    mutating func end(_ id: Int) -> Item? { running.removeValue(forKey: id) }
}
