// A thread's run loop as an executor: what is enqueued by any thread runs on the one that drains.
//
// One lock around a JobQueue, whose `isAttended` decides who wakes; a wake-up is csigshim_wake, which makes the bridge's
// descriptor readable. The argument:
//
// Invariant: a queue that holds a job is attended. Attended means that a thread is at work, and looks at the queue under
// the lock before it sleeps or leaves; or that the descriptor is readable; or that somebody, who has set `isAttended`, is
// on the way to csigshim_wake. So a sleeper with a job is never left alone.
//
// A job that is enqueued
//  - while a thread works (by itself or by another thread): attended already, no system call. Before it sleeps, the
//    worker asks the queue (`next`, `leave`), and finds the job: the two are under one lock, so there is no gap.
//  - after the worker asked and before it is in poll: not attended, so the descriptor is made readable, and poll, which
//    looks at the descriptor and not at an edge, returns at once. An edge-triggered host gets its edge: csigshim_wake
//    writes, whatever is in the pipe already.
//  - while it sleeps: the same, and it wakes. The rest of a burst finds the queue attended: one wake-up.
// A worker may come (because of a signal) between an enqueuer's lock and its csigshim_wake. It takes the job; the wake-up
// comes late, and `drain` once finds nothing to do.
//
// Someone else reads the bridge. To subscribe or unsubscribe, any thread empties the ring, and takes a wake-up away with
// it. So afterwards, if the queue is attended, it makes the descriptor readable again. A wake-up that is on its way to
// csigshim_wake at that moment comes after the read, or was before it and its `isAttended` is seen.
//
// Bound. One pass runs twice as many jobs as were ready when it began, and `bound` more: a job that yields for ever, or
// threads that never stop sending, get that much. `drain` then makes the descriptor readable and returns to its host;
// `run` looks at the signals, and goes on. (Twice: a job says that it is isolated to the loop. Where a task starts or
// resumes in a function that is not, the runtime has it leave the loop, and that is one more job.) Signals: twice what
// the ring holds, a few at a time, so that those who wait for them take them before the next come.
//
// Stop. `stop` leaves a mark in the queue and wakes as a job does; `run` takes the mark away after a pass, also one that
// was left before it began. The end of the body of `run(_:)` is a mark of its own: a stop is neither lost nor mistaken.
//
// One thread at a time. `owner` is the thread inside; it is cleared under the lock, before anybody can be woken by what
// `leave` found, so a pool of threads that answer the descriptor one after the other is no misuse.
//
// Letting go. A subscription holds the loop as its source; a task on the loop holds it as its preference, or through the
// actor that it runs on. So with a job in the queue there is a task, and with that a loop. But `enqueue` is called with
// a reference that nobody may hold: once the job is in the queue it may run, end its task, and let the loop go, before
// csigshim_wake is called. So `enqueue` holds the loop itself.
import CSignalShim
import Synchronization

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A thread's run loop for asynchronous code and signals: tasks and actors that live on it run on the thread that calls
/// ``run()``, or ``drain()`` from the event loop of a host, and nowhere else.
///
/// ```swift
/// let loop = try SignalLoop()
/// let events = try SignalEvents(.sighup, .sigterm, loop: loop)  // first thing in main: nothing is lost from here on
///
/// let reloads = try loop.run {  // on this thread, the main one
///     var reloads = 0
///     for await event in events {
///         if event.signal == .sigterm { break }
///         reloads += 1
///         print("reload \(reloads), says \(event)")
///     }
///     return reloads
/// }
/// print("ended after \(reloads)")
/// ```
///
/// It starts no thread, and takes no CPU and makes no system call while nothing happens. A signal goes from its
/// descriptor to the `for await` of a task on the loop without a change of thread, and code on the loop may call C
/// libraries that want to be called by one thread alone.
///
/// **In a host's event loop** poll ``fileDescriptor`` for reading, and call ``drain()`` when it is readable:
///
/// ```swift
/// actor Statistics {
///     private let loop: SignalLoop  // an actor keeps the loop that it lives on
///     nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
///     private var ticks = 0
///     private(set) var isOver = false
///
///     init(on loop: SignalLoop) { self.loop = loop }
///
///     func tick() { ticks += 1 }
///
///     func report(_ events: SignalEvents) async {
///         for await event in events {
///             if event.signal == .sigterm { break }
///             print("\(ticks) ticks, asked by \(event)")
///         }
///         isOver = true
///     }
/// }
///
/// let loop = try SignalLoop()
/// let statistics = Statistics(on: loop)
/// let events = try SignalEvents(.sigusr1, .sigterm, loop: loop)
/// Task(executorPreference: loop) { await statistics.report(events) }
///
/// loop.drain()  // runs the task up to its first wait
/// var isOver = false
/// while !isOver {
///     var polled = pollfd(fd: loop.fileDescriptor, events: Int16(POLLIN), revents: 0)  // and what else the host polls
///     poll(&polled, 1, 20)
///     if polled.revents != 0 { loop.drain() }
///     isOver = loop.enter {  // a callback of the host's, as of a timer: on the loop's thread, and not in a job
///         statistics.assumeIsolated { statistics in
///             statistics.tick()
///             return statistics.isOver
///         }
///     }
/// }
/// ```
///
/// What lives on a loop:
/// - an actor whose `unownedExecutor` is the loop's, as above. The actor must hold the loop.
/// - `Task(executorPreference: loop) { }` and its child tasks. A plain `Task { }` and `Task.detached` do not inherit that:
///   they run on Swift's own threads.
/// - Not an actor without an executor of its own: it runs on the loop, or on a thread of Swift's, as it happens. What wants
///   one thread belongs into an actor with the loop's `unownedExecutor`.
/// - `Task.sleep` comes back to the loop, but waits on a thread of Dispatch's, which starts some.
/// - Not the main actor: on Linux its jobs run in `dispatchMain()`. While the main thread is in ``run()``, it does nothing, and
///   a body that awaits it never ends. In top-level code a plain `Task { }` is the main actor's too, and top-level variables
///   are: state that code on the loop changes belongs into an actor on the loop, or into the body.
///
/// **Which thread.** One at a time: a second thread that is inside ``run()`` or ``drain()``, or a job that calls one of
/// them on its own loop, is a programming error, and stops the program. Between two calls the loop may move to another
/// thread; keep it on one where what runs there minds, and over ``Mechanism/signalfd`` on the one that subscribes.
///
/// Subscriptions and tasks that are on the loop keep it alive. When the last of them and your own reference are gone, its
/// descriptors are closed. In a forked child it is dead.
public final class SignalLoop: TaskExecutor, SerialExecutor, Sendable {
    /// Jobs that one pass runs beyond twice those that were ready when it began.
    private static let bound = 1024
    /// Signals that are read before the jobs that wait for them run, at most `bound` of them: four for each signal.
    private static let portion = 256

    let source: BridgeSource
    nonisolated(unsafe) let bridge: OpaquePointer  // the source's, which stays as long as it
    let mechanism: Mechanism
    let queue = Lock(JobQueue<UnownedJob>())
    /// The thread that is inside; 0: none.
    private let owner = Atomic<UInt>(0)

    /// Makes a loop, with a bridge and descriptors of its own: two, over ``Mechanism/signalfd`` four. A process has 64 bridges.
    ///
    /// - Throws: ``SignalBridgeError``; ``SignalBridgeError/Code/unsupported`` where the system does not have the
    ///   mechanism; errno `ENOSPC`: more than 64 bridges; `EMFILE`: no descriptors left.
    public init(mechanism: Mechanism = .handler) throws(SignalBridgeError) {
        self.mechanism = mechanism
        source = BridgeSource(mechanism: mechanism)
        try source.prepare()
        bridge = source.bridge!
    }

    deinit {
        precondition(queue.withLock { $0.isEmpty }, "an actor did not keep the SignalLoop that it lives on")
    }

    // MARK: on the loop's thread

    /// Runs what is enqueued, and reads signals, on this thread until ``stop()``. Sleeps while there is nothing to do.
    ///
    /// Where somebody has closed the loop's descriptors before it sleeps, it looks every few milliseconds for jobs, and
    /// signals no longer come; it cannot know if they are closed while it sleeps.
    @available(
        *, noasync,
        message: "it blocks the thread; call it in a synchronous main (no `await` at its top level), or on a Thread"
    )
    public func run() {
        serve(until: .stopped)
    }

    /// Runs `body` as a task on the loop, and the loop on this thread until `body` ends.
    ///
    /// Other jobs that are left then stay queued, for a later ``run()`` or ``drain()``. A ``stop()`` does not end it: it is
    /// for the next ``run()``. Task-local values are those of the caller.
    ///
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws.
    @available(
        *, noasync,
        message: "it blocks the thread; call it in a synchronous main (no `await` at its top level), or on a Thread"
    )
    public func run<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) throws -> Result {
        let outcome = Lock<Swift.Result<Result, any Error>?>(nil)
        Task(executorPreference: self) { [self] in
            let result: Swift.Result<Result, any Error>
            do { result = .success(try await body()) } catch { result = .failure(error) }
            outcome.withLock { $0 = result }
            if queue.withLock({ $0.end(.finished) }) { wake() }
        }
        serve(until: .finished)
        return try outcome.withLock { $0! }.get()
    }

    /// Reads the signals that are there and runs the jobs that are ready, and what these make ready, up to a limit. Never
    /// waits. If something is left, ``fileDescriptor`` is readable again when it returns, also for an edge-triggered host.
    ///
    /// With nothing to do it makes a few system calls, and returns: the first call may come before the first poll.
    @available(*, noasync, message: "a job of the loop cannot drain it; other tasks run on threads of Swift's own")
    public func drain() {
        arrive()
        var batch: [UnownedJob] = []
        leave(more: pass(&batch))
    }

    /// Runs `body` here and now as a job would run: for callbacks of a host's event loop, which are on the loop's thread but
    /// not in a job. Inside, `assumeIsolated` of the loop's actors works. In a job, it just runs `body`.
    ///
    /// What `body` enqueues does not run yet, but makes ``fileDescriptor`` readable. Another thread that is inside the loop
    /// meanwhile is a programming error, and stops the program.
    @available(*, noasync, message: "use `await`, or a task on the loop")
    public func enter<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        if isHere { return try body() }
        arrive()
        defer { leave(more: false) }
        _ = queue.withLock { $0.begin() }
        return try body()
    }

    // MARK: on any thread

    /// Readable when ``drain()`` has something to do. Poll it, and never read or close it; it stays the same as long as the
    /// loop lives.
    public var fileDescriptor: Int32 { csigshim_fd(bridge) }

    /// Makes ``run()`` return, once the jobs that are ready now have had their turn; the one that runs now, or else the next
    /// one. What is left stays queued. From any thread, also from a job; more than once is harmless.
    public func stop() {
        if queue.withLock({ $0.end(.stopped) }) { wake() }
    }

    /// Adds a job, for Swift's runtime. From any thread; each thread's jobs run in their order.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let myself = Unmanaged.passRetained(self)
        if queue.withLock({ $0.add(job) }) { wake() }
        myself.release()
    }

    /// Stops the program unless it is called inside the loop; for Swift's runtime.
    public func checkIsolated() {
        if !isHere { fatalError("not on the thread that is inside run(), drain() or enter(_:) of this SignalLoop") }
    }

    /// Whether it is called inside the loop; for Swift's runtime.
    public func isIsolatingCurrentContext() -> Bool? {
        isHere
    }

    // MARK: within

    /// The lock afterwards is for the thread sanitizer: what lets the loop go after this is a reference count, which it does
    /// not see, and `deinit` looks at the queue.
    func wake() {
        csigshim_wake(bridge)
        queue.withLock { _ in }
    }

    var isHere: Bool { owner.load(ordering: .relaxed) == currentThread() }

    private func arrive() {
        let (free, other) = owner.compareExchange(expected: 0, desired: currentThread(), ordering: .acquiring)
        if free { return }
        fatalError(
            other == currentThread()
                ? "run() or drain() of a SignalLoop was called by one of its own jobs: it would wait for itself"
                : "run(), drain() or enter(_:) of a SignalLoop was called while another thread is inside: one at a time"
        )
    }

    private func leave(more: Bool) {
        let left = queue.withLock { queue in
            owner.store(0, ordering: .releasing)
            return queue.leave(more: more)
        }
        if left { wake() }
    }

    /// `true`: signals are left.
    private func pass(_ batch: inout [UnownedJob]) -> Bool {
        var jobs = queue.withLock { 2 * $0.begin() } + Self.bound
        var signals = BridgeSource.whole
        while source.drain(limit: Self.portion) {
            work(&jobs, &batch)
            jobs = max(jobs, Self.bound)
            signals -= Self.portion
            if signals <= 0 { return true }
        }
        work(&jobs, &batch)
        return false
    }

    private func work(_ left: inout Int, _ batch: inout [UnownedJob]) {
        while left > 0 {
            queue.withLock { $0.take(atMost: left, into: &batch) }
            if batch.isEmpty { return }
            for job in batch {
                job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
            }
            left -= batch.count
        }
    }

    private func serve(until end: JobQueue<UnownedJob>.End) {
        arrive()
        defer { leave(more: false) }
        var batch: [UnownedJob] = []
        while true {
            let more = pass(&batch)
            switch queue.withLock({ $0.next(until: end) }) {
            case .end: return
            case .sleep where !more:
                // Somebody closed the descriptor, or this is a forked child: no reason to spin.
                if csigshim_wait(bridge, -1) < 0 { usleep(10_000) }
            case .sleep, .work: continue
            }
        }
    }
}

#if canImport(Glibc)
    private func currentThread() -> UInt { pthread_self() }
#else
    private func currentThread() -> UInt { UInt(bitPattern: pthread_self()) }
#endif
