/// A value for each of a few signals, in the order in which they were added. A subscription has one or two signals as a
/// rule, and at most about sixty. Comparing them costs less than hashing one.
struct SignalMap<Value> {
    private var entries: [(signal: SignalNumber, value: Value)] = []

    var isEmpty: Bool { entries.isEmpty }
    var signals: [SignalNumber] { entries.map(\.signal) }

    subscript(signal: SignalNumber) -> Value? {
        get { index(of: signal).map { entries[$0].value } }
        set {
            let index = index(of: signal)
            switch (index, newValue) {
            case (let index?, let value?): entries[index].value = value
            case (let index?, nil): entries.remove(at: index)
            case (nil, let value?): entries.append((signal, value))
            case (nil, nil): break
            }
        }
    }

    subscript(signal: SignalNumber, default value: @autoclosure () -> Value) -> Value {
        get { index(of: signal).map { entries[$0].value } ?? value() }
        _modify {
            if let index = index(of: signal) {
                yield &entries[index].value
            } else {
                entries.append((signal, value()))
                yield &entries[entries.count - 1].value
            }
        }
    }

    private func index(of signal: SignalNumber) -> Int? {
        entries.firstIndex { $0.signal == signal }
    }
}
