// What the plugin does. All of this runs on mosquitto's one thread: the loop's jobs run inside drain(), which the tick
// calls, and nowhere else. So it needs no thread, no lock, and may call the broker, which is not made for threads.
// SPDX-License-Identifier: Apache-2.0

import SignalBridge

private let signals: [SignalNumber] = [.sighup, .sigusr1, .realtime(0)]

/// Lives on the loop.
private actor Publisher {
    private let loop: SignalLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private var published = 0

    init(on loop: SignalLoop) {
        self.loop = loop
    }

    func publish(_ events: SignalEvents) async {
        for await event in events {
            let message = json(event)
            let result = mosquitto_broker_publish_copy(
                nil, "signals", Int32(message.utf8.count), message, 0, false, nil)
            if result == MOSQ_ERR_SUCCESS.rawValue {
                published += 1
            } else {
                plugin_log(MOSQ_LOG_WARNING, "cannot publish \(event): error \(result)")
            }
        }
        plugin_log(MOSQ_LOG_INFO, "published \(published)")
    }

    private func json(_ event: SignalEvent) -> String {
        var members = ["\"signal\":\"\(event.signal)\"", "\"count\":\(event.count)"]
        if let sender = event.sender { members += ["\"pid\":\(sender.processID)", "\"uid\":\(sender.userID)"] }
        // kill(1) sends an int, and the rest of the union is anything.
        if let value = event.value { members.append("\"value\":\(Int32(truncatingIfNeeded: value))") }
        return "{\(members.joined(separator: ","))}"
    }
}

private final class Logic {
    let loop: SignalLoop
    private var events: SignalEvents?

    init() throws {
        loop = try SignalLoop()
    }

    /// mosquitto's handlers run as well, because they are what was installed before.
    func subscribe() throws {
        let events = try SignalEvents(signals, options: [.chain], loop: loop)
        self.events = events
        let publisher = Publisher(on: loop)
        Task(executorPreference: loop) { await publisher.publish(events) }
    }

    func finish() {
        events?.finish()
        loop.drain()  // the sequence ends, and with it the task
    }
}

private func logic(_ pointer: UnsafeMutableRawPointer?) -> Logic {
    Unmanaged<Logic>.fromOpaque(pointer!).takeUnretainedValue()
}

@c @implementation
public func logic_start() -> UnsafeMutableRawPointer? {
    do {
        return try Unmanaged.passRetained(Logic()).toOpaque()
    } catch {
        plugin_log(MOSQ_LOG_ERR, "\(error)")
        return nil
    }
}

@c @implementation
public func logic_subscribe(_ pointer: UnsafeMutableRawPointer?) {
    do {
        try logic(pointer).subscribe()
    } catch {
        plugin_log(MOSQ_LOG_ERR, "\(error)")
    }
}

@c @implementation
public func logic_tick(_ pointer: UnsafeMutableRawPointer?) {
    logic(pointer).loop.drain()
}

@c @implementation
public func logic_stop(_ pointer: UnsafeMutableRawPointer?) {
    let logic = logic(pointer)
    logic.finish()
    Unmanaged.passUnretained(logic).release()
}
