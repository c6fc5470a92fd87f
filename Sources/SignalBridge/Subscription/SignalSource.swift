import CSignalShim
import Dispatch

/// What feeds subscriptions: a bridge (`SignalHub`), the bridge of a loop (`SignalLoop`), or a `SignalSimulator`.
protocol SignalSource: AnyObject, Sendable {
    /// Subscribes to all of the signals or to none, and calls `Subscription.begin` under the source's lock. Skips signals
    /// that the subscription has.
    func subscribe(
        _ subscription: Subscription, to signals: [SignalNumber], escalateAfterUnread: Int?
    ) throws(SignalBridgeError)
    /// Ends the subscription to all of its signals, and restores their dispositions. What was captured until then is in
    /// the buffer. Does nothing the second time.
    func unsubscribe(_ subscription: Subscription)
    /// The rule for what a subscription leaves unread: one for all sources that get the same signals.
    var resendRule: Lock<ResendRule> { get }
    /// Sends an unread signal to the process once more.
    func raiseAgain(_ signal: SignalNumber)
}

/// A source whose reader is a thread that waits.
protocol WaitableSource: SignalSource {
    /// The time by which `wait` measures.
    var now: Duration { get }
    /// Blocks until there may be something to read, `wake` is called, or the deadline has come: then it returns `false`.
    /// Returns at once after a `wake` that no `drain` has followed.
    func wait(until deadline: Duration?) -> Bool
    /// Makes all that wait return.
    func wake()
    /// Brings what was captured into the buffers, without a call of `Subscription.onChange`. Returns whether there was
    /// anything.
    func drain() -> Bool
}

/// What the API of this module acts on: the process (`SystemEnvironment`), or the `SignalSimulator` of a task tree.
protocol SignalEnvironment: AnyObject, Sendable {
    /// The source of subscriptions that name no loop.
    var source: any SignalSource { get }
    /// The source of subscriptions on a loop.
    func source(on loop: SignalLoop) -> any SignalSource
    /// A new source for a `SignalWaiter`.
    func makeWaitableSource() -> any WaitableSource

    func send(_ signal: SignalNumber, to target: SignalTarget, value: Int?) throws(SignalBridgeError)
    func disposition(of signal: SignalNumber) throws(SignalBridgeError) -> SignalDisposition
    func setDisposition(_ disposition: SignalDisposition, of signal: SignalNumber) throws(SignalBridgeError)
    func performDefaultAction(of signal: SignalNumber) throws(SignalBridgeError)
    func rearm(_ signal: SignalNumber) throws(SignalBridgeError)
    func examine(_ signal: SignalNumber) throws(SignalBridgeError) -> SignalDiagnostics.Findings

    /// Blocks the thread until the semaphore is signalled or the timeout has passed.
    func block(on semaphore: DispatchSemaphore, timeout: Duration?)
    /// Calls `action` once after the timeout, on any thread. The result takes the request back.
    func schedule(after timeout: Duration, _ action: @escaping @Sendable () -> Void) -> @Sendable () -> Void
}

/// Whom a signal is sent to.
enum SignalTarget: Equatable {
    case process(pid_t)
    case group(pid_t)

    /// The pid that `kill(2)` takes.
    var processID: pid_t {
        switch self {
        case .process(let id): id
        case .group(let id): -id
        }
    }

    /// Whether the calling process is a target.
    var includesThisProcess: Bool {
        switch self {
        case .process(let id): id == currentProcessID()
        case .group(let id): id == currentProcessGroup()
        }
    }
}

/// Where the calling task or thread finds its environment.
enum SignalContext {
    @TaskLocal static var current: any SignalEnvironment = SystemEnvironment()

    /// The source of a subscription with these options, on a loop or on none.
    static func source(
        on loop: SignalLoop?, _ options: SignalOptions, escalates: Bool
    ) throws(SignalBridgeError) -> any SignalSource {
        guard let loop else { return current.source }
        try loop.check(options, escalates: escalates)
        return current.source(on: loop)
    }
}
