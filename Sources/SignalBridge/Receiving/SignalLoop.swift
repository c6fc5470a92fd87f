// A thread's run loop as an executor: jobs that any thread enqueues run on the thread that drains.
//
// One lock guards a JobQueue, whose `isAttended` decides which thread wakes the loop. A wake-up is csigshim_wake, which
// makes the bridge's descriptor readable.
//
// L1  If the queue holds a job, it is attended. That means one of three things: a thread is inside, and looks at the
//     queue under the lock before it sleeps or leaves. Or the descriptor is readable. Or the thread that set
//     `isAttended` is about to call csigshim_wake. So no thread sleeps while there is a job. Adding a job to an
//     attended queue needs no system call. If the queue is not attended, the thread inside has already looked; making
//     the descriptor readable makes its poll return. csigshim_wake always writes to the pipe, so an edge-triggered host
//     gets an edge.
// L2  A thread that subscribes or unsubscribes empties the ring, and may take a wake-up away with it. So afterwards, if the
//     queue is attended, it makes the descriptor readable again. A wake-up that is under way either comes after the read,
//     or has set `isAttended` before it.
// L3  One pass is bounded. It runs twice as many jobs as were ready when it began, and `extraJobsPerPass` more. Twice,
//     because a task that resumes in a function without isolation to the loop leaves the loop and returns, which is
//     another job. It reads twice what the ring holds, a few signals at a time, so that their readers take them before
//     the next ones come. Then `drain` makes the descriptor readable and returns to its host, and `run` begins a new
//     pass.
// L4  One thread is inside at a time. `enter` and `leave` of the queue are under the lock, and `leave` comes before any
//     wake-up that it causes. So the threads of a pool may serve the descriptor in turn. A `drain` that finds a thread
//     inside, its own or another, does nothing, because the thread inside will look at all jobs (L1). It may have
//     consumed the edge of a signal that the thread inside does not read any more, so it makes the descriptor readable.
// L5  `stop` sets a flag in the queue and wakes as a job does. `run` clears the flag after a pass, even one that was
//     set before `run` began. The end of the body of `run(_:)` has its own flag.
// L6  A subscription holds the loop as its source; a task holds it as its preference, or through the actor that it runs
//     on. So while the queue holds a job, the loop exists. But between its entry into the queue and csigshim_wake, a
//     job may run, end its task, and release the loop. So `enqueue` holds the loop itself.
//
// Tests: LoopJobTests.swift (L1 to L3), LoopSignalTests.swift (L3), LoopReentryTests.swift (L4), LoopTests.swift (L5, L6).
import CSignalShim
import Synchronization

/// A run loop of one thread, for asynchronous code and signals. Its tasks and actors run only on the thread that calls
/// ``run()``, or that calls ``drain()`` from the event loop of a host.
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
/// It starts no thread, takes no CPU time, and makes no system call while nothing happens. A signal goes from its descriptor
/// to the `for await` of a task on the loop without a change of thread.
///
/// **In a host's event loop** poll ``fileDescriptor`` for reading, and call ``drain()`` when it is readable. Actors
/// with the loop as their executor run on it, and so does `Task(executorPreference: loop) { }`. <doc:Loops> has
/// examples.
///
/// **Which thread.** One at a time. A second thread in ``run()`` or ``enter(_:)``, or a job that calls ``run()`` on its
/// own loop, is a programming error that stops the program. ``drain()`` does nothing while a thread is inside. Between
/// two calls the loop may change to another thread. With ``Mechanism/signalfd``, keep it on the thread that subscribes.
///
/// Subscriptions and tasks on the loop keep it alive. Its descriptors are closed when they and your own references are
/// gone.
public final class SignalLoop: TaskExecutor, SerialExecutor, Sendable {
    /// The number of jobs that a pass runs beyond twice those that were ready when it began.
    private static let extraJobsPerPass = 1024
    /// The number of signals that are read before the jobs that wait for them run.
    private static let signalBatchSize = 256

    private let hub: SignalHub
    private nonisolated(unsafe) let bridge: OpaquePointer  // the hub's, which stays open as long as the hub lives
    private let mechanism: Mechanism
    private let queue = Lock(JobQueue())
    /// The thread inside; 0: none. It is written by that thread only.
    private let thread = Atomic<UInt>(0)

    /// Makes a loop with its own bridge, of which a process has 64. It has one descriptor, or three with
    /// ``Mechanism/signalfd``, and one more where `/proc` is missing.
    ///
    /// - Throws: ``SignalBridgeError``; ``SignalBridgeError/Code/unsupported`` where the system does not have the
    ///   mechanism; errno `ENOSPC`: more than 64 bridges; `EMFILE`: no descriptors left.
    public init(mechanism: Mechanism = .handler) throws(SignalBridgeError) {
        self.mechanism = mechanism
        hub = SignalHub(mechanism: mechanism)
        bridge = try hub.prepare()
    }

    deinit {
        precondition(queue.withLock { $0.isEmpty }, "an actor did not keep the SignalLoop that it lives on")
    }

    // MARK: on the loop's thread

    /// Runs jobs and reads signals on this thread until ``stop()``. Sleeps while there is nothing to do.
    ///
    /// If the loop's descriptors were closed before it sleeps, it looks for jobs every few milliseconds, and signals no longer
    /// arrive. It does not notice when they are closed while it sleeps.
    @available(*, noasync, message: "it blocks the thread; call it in a main without `await`, or on a Thread")
    public func run() {
        serve(until: .stopped)
    }

    /// Runs `body` as a task on the loop, and the loop on this thread until `body` ends.
    ///
    /// Other jobs then stay queued for a later ``run()`` or ``drain()``. A ``stop()`` does not end this call, but the
    /// next ``run()``. The task has the caller's task-local values.
    ///
    /// - Throws: what `body` throws.
    @available(*, noasync, message: "it blocks the thread; call it in a main without `await`, or on a Thread")
    public func run<Result: Sendable>(_ body: sending @escaping () async throws -> Result) throws -> Result {
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

    /// Reads pending signals and runs ready jobs, and the jobs that these make ready, up to a limit. It never waits. If
    /// work is left, ``fileDescriptor`` is readable when it returns, with a new edge for an edge-triggered host.
    ///
    /// With nothing to do it makes a few system calls and returns, so the first call may come before the first poll. If
    /// a thread is inside the loop already, it returns at once and leaves ``fileDescriptor`` readable. That happens on
    /// another thread, and in a job whose callback runs the host's event loop. The outer call, or a later one, then
    /// does the work. A nested event loop that runs for long should not poll the descriptor, which stays readable.
    @available(*, noasync, message: "other tasks run on threads of Swift's own; call it on the loop's thread")
    public func drain() {
        guard hub.isInCreatingProcess else { return }
        guard enter() else { return wake() }
        var batch: [UnownedJob] = []
        leave(more: runPass(&batch))
    }

    /// Runs `body` at once, as a job of the loop. It is for callbacks of a host's event loop, which are on the loop's
    /// thread but not in a job. Inside, `assumeIsolated` of the loop's actors works. In a job, it just runs `body`.
    ///
    /// What `body` enqueues does not run yet, but makes ``fileDescriptor`` readable. If another thread is inside the
    /// loop, that is a programming error, which stops the program.
    @available(*, noasync, message: "use `await`, or a task on the loop")
    public func enter<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        if isOnLoopThread { return try body() }
        enterOrStop()
        defer { leave(more: false) }
        return try body()
    }

    // MARK: on any thread

    /// The descriptor to poll for reading. It is readable when ``drain()`` has work to do. Never read or close it. It
    /// stays the same for the loop's lifetime.
    public var fileDescriptor: Int32 { csigshim_fd(bridge) }

    /// Makes ``run()`` return after the jobs that are ready now: the present call or, without one, the next. Other jobs
    /// stay queued. Callable from any thread and from a job, and more than once.
    public func stop() {
        if queue.withLock({ $0.end(.stopped) }) { wake() }
    }

    /// Adds a job, for Swift's runtime. Callable from any thread; the jobs of one thread run in order.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let myself = Unmanaged.passRetained(self)  // L6
        if queue.withLock({ $0.add(job) }) { wake() }
        myself.release()
    }

    /// Stops the program unless its caller is inside the loop; for Swift's runtime.
    public func checkIsolated() {
        if !isOnLoopThread {
            fatalError("not on the thread that is inside run(), drain() or enter(_:) of this SignalLoop")
        }
    }

    /// Returns whether its caller is inside the loop; for Swift's runtime.
    public func isIsolatingCurrentContext() -> Bool? {
        isOnLoopThread
    }

    // MARK: inside

    private var isOnLoopThread: Bool { thread.load(ordering: .relaxed) == currentThread() }

    /// The lock afterwards is for the thread sanitizer, which does not see the reference count that orders this before
    /// `deinit`. `deinit` reads the queue.
    private func wake() {
        csigshim_wake(bridge)
        queue.withLock { _ in }
    }

    /// L4. Returns `false` if a thread is inside.
    private func enter() -> Bool {
        guard queue.withLock({ $0.enter() }) else { return false }
        thread.store(currentThread(), ordering: .relaxed)
        return true
    }

    private func enterOrStop() {
        if enter() { return }
        fatalError(
            isOnLoopThread
                ? "run() of a SignalLoop was called by one of its own jobs: it would wait for itself"
                : "run() or enter(_:) of a SignalLoop was called while another thread is inside: one at a time")
    }

    private func leave(more: Bool) {
        thread.store(0, ordering: .relaxed)
        if queue.withLock({ $0.leave(more: more) }) { wake() }
    }

    /// L3. Returns whether signals are left.
    private func runPass(_ batch: inout [UnownedJob]) -> Bool {
        var jobs = 2 * queue.withLock { $0.beginPass() } + Self.extraJobsPerPass
        var signals = SignalHub.fullReadLimit
        while hub.deliverPending(limit: Self.signalBatchSize) {
            runJobs(&jobs, &batch)
            jobs = max(jobs, Self.extraJobsPerPass)
            signals -= Self.signalBatchSize
            if signals <= 0 { return true }
        }
        runJobs(&jobs, &batch)
        return false
    }

    private func runJobs(_ left: inout Int, _ batch: inout [UnownedJob]) {
        while left > 0 {
            queue.withLock { $0.take(atMost: left, into: &batch) }
            if batch.isEmpty { return }
            for job in batch {
                job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
            }
            left -= batch.count
        }
    }

    private func serve(until end: JobQueue.End) {
        enterOrStop()
        defer { leave(more: false) }
        var batch: [UnownedJob] = []
        while true {
            let more = runPass(&batch)
            switch queue.withLock({ $0.next(until: end) }) {
            case .end: return
            case .sleep where !more:
                // Sleeps for a moment, because the descriptor was closed, or this is a forked child.
                if csigshim_wait(bridge, -1) < 0 { pauseThread(milliseconds: 10) }
            case .sleep, .work: continue
            }
        }
    }
}

/// A source of subscriptions that keeps its loop alive.
extension SignalLoop: SignalSource {
    func subscribe(_ subscription: Subscription, to signals: [SignalNumber], limit: Int?) throws(SignalBridgeError) {
        defer { restoreWakeup() }
        try hub.subscribe(subscription, to: signals, limit: limit)
    }

    func unsubscribe(_ subscription: Subscription) {
        hub.unsubscribe(subscription)
        restoreWakeup()
    }

    var resendRule: Lock<ResendRule> { hub.resendRule }
    var endings: Lock<Void> { hub.endings }
    func raiseAgain(_ signal: SignalNumber) { hub.raiseAgain(signal) }

    /// L2
    private func restoreWakeup() {
        if hub.isInCreatingProcess, !isOnLoopThread, queue.withLock({ $0.isAttended }) { wake() }
    }

    /// Throws if the loop's mechanism cannot do what a subscription asks for.
    func check(_ options: SignalOptions, escalates: Bool) throws(SignalBridgeError) {
        guard mechanism == .signalfd else { return }
        guard let option = options.contains(.chain) ? ".chain" : escalates ? "escalateAfterUnread" : nil else { return }
        throw SignalBridgeError(
            .unsupported, nil,
            "\(option) needs a signal handler, and over signalfd none runs; use a SignalLoop with the mechanism .handler"
        )
    }
}
