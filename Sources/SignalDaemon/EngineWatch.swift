import SignalBridge

/// Signals and time: subscribing, the watch, and putting everything back.
extension DaemonEngine {
    /// A last resort beneath the watch: the hundredth request that it has not even seen takes the default action, in the C
    /// handler. The ladder would have forced the end at the third; this many do not pile up in the time that a thread
    /// takes to wake.
    private static let backstop = 100

    func subscribe(_ signals: Set<SignalNumber>) throws(SignalBridgeError) {
        let escalating = signals.subtracting(policy.reload).filter(\.terminatesByDefault)
        if simulator == nil, !escalating.isEmpty {
            try subscribe(escalating, escalateAfterUnread: Self.backstop)
            if escalating != signals { try subscribe(signals.subtracting(escalating), escalateAfterUnread: nil) }
        } else {
            try subscribe(signals, escalateAfterUnread: nil)
        }
    }

    private func subscribe(_ signals: Set<SignalNumber>, escalateAfterUnread: Int?) throws(SignalBridgeError) {
        let options: SignalOptions = policy.keepsIgnored ? [.everyDelivery, .keepIgnored] : .everyDelivery
        let mailbox = try Mailbox(signals, options, escalateAfterUnread: escalateAfterUnread)
        if simulator != nil {
            mailbox.onChange { [weak self] in self?.poll(waits: true) }
        } else {
            mailbox.onChange { [weak source] in source?.wake() }  // another thread has read what was for the watch
        }
        // Who subscribes reads the bridge, also who is refused, and takes a wake-up of the watch's away with it. And what
        // came before this handle was among the others woke somebody who did not know it.
        defer { source?.wake() }
        let handle = try SubscriptionHandle(mailbox, on: source ?? simulator!)
        let isLate = state.withLock { state in
            if state.closes { return true }
            state.handles.append(handle)
            state.watched.formUnion(signals.subtracting(handle.ignored))
            return false
        }
        if isLate { handle.close() }
        if simulator != nil { poll() }
    }

    func startWatch() throws(SignalBridgeError) {
        let parking = SignalWaiter.Parking.bridge(source!)
        try SignalBridge.startThread(mask: .all()) { [self] in
            var unblocked: Set<SignalNumber> = []
            while true {
                let (closes, deadline, watched) = state.withLock { ($0.closes, $0.deadline, $0.watched) }
                if closes {
                    SignalMask.all().apply()
                    close()
                    return
                }
                if watched != unblocked {  // whatever other threads block, there is one that takes these
                    SignalMask.all(but: watched).apply()
                    unblocked = watched
                }
                _ = parking.sleep(until: deadline)
                parking.collect()
                poll()
            }
        }
    }

    func watchClock(of simulator: SignalSimulator) {
        let id = simulator.watchClock(
            deadline: { [weak self] in self?.state.withLock { $0.deadline } },
            passed: { [weak self] in self?.poll(waits: true) })
        state.withLock { $0.clock = { simulator.forgetClock(id) } }
    }

    /// Takes what signals there are, and looks at the clock. When all is over they are left: unread, they meet what is
    /// restored, by the rules of every subscription that ends.
    func poll(waits: Bool = false) {
        feed(waits: waits) { state, now in
            if !state.hasBegun { return [] }
            var actions: [Ladder.Action] = []
            for handle in state.handles {
                while !state.ladder.isOver, case .event(let event) = handle.take() {
                    for _ in 0..<min(event.count, 3) { actions += state.ladder.signal(event, at: now) }
                }
            }
            return actions + state.ladder.tick(at: now)
        }
    }

    /// All is over, and said.
    func requestClose() {
        state.withLock { $0.closes = true }
        if simulator != nil { close() } else { source?.wake() }
    }

    /// Puts everything back, and lets `run` return. Once; on the watch, if there is one.
    func close() {
        let rest = state.withLock { state -> State? in
            if state.isClosed { return nil }
            let rest = state
            state.closes = true
            state.isClosed = true
            state.handles = []
            state.work = [:]
            state.cancel = [:]
            state.reloadActions = []
            state.notifier.check = nil
            return rest
        }
        guard let rest else { return }
        for handle in rest.handles { handle.close() }
        source?.close()  // now, although somebody may still hold a `Daemon`
        rest.clock?()
        let wake = rest.stop.claim()
        hand.append {
            wake()  // whoever waits outside of the daemon's tasks
            _ = rest  // closures of the user's are released here
        }
        hand.runIfInline()
        hand.stop()
        announcer.stop()
        launch.finish()
        finished.signal()
    }
}
