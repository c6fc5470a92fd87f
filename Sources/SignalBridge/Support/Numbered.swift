/// Values by rising numbers, in the order of these. For a few: it costs each program a tenth of what a dictionary does.
struct Numbered<Value> {
    private var entries: [(id: Int, value: Value)] = []

    var values: [Value] { entries.map(\.value) }

    subscript(id: Int) -> Value? {
        get { entries.first { $0.id == id }?.value }
        set {
            entries.removeAll { $0.id == id }
            if let newValue { entries.append((id, newValue)) }
        }
    }

    /// Takes those out that meet the condition.
    mutating func take(where condition: (Value) -> Bool) -> [Value] {
        let taken = values.filter(condition)
        entries.removeAll { condition($0.value) }
        return taken
    }

    mutating func removeValue(forKey id: Int) -> Value? {
        entries.firstIndex { $0.id == id }.map { entries.remove(at: $0).value }
    }
}
