import SignalBridge

@c @implementation
func wait_for_shutdown() -> Int32 {
    guard let waiter = try? SignalWaiter(.sigterm, .sigint), let event = waiter.next() else { return -1 }
    return event.sender?.processID ?? 0
}
