/// Values by number, in the order of their numbers. It costs each program a tenth of what a dictionary does.
struct Numbered<Value> {
    private var entries: [(id: Int, value: Value)] = []

    var values: [Value] { entries.map(\.value) }

    subscript(id: Int) -> Value? {
        get {
            let index = position(of: id)
            return index < entries.count && entries[index].id == id ? entries[index].value : nil
        }
        set {
            _ = removeValue(forKey: id)
            if let newValue { entries.insert((id, newValue), at: position(of: id)) }
        }
    }

    /// Where the number is, or would be.
    private func position(of id: Int) -> Int {
        if let last = entries.last, last.id < id { return entries.count }
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Takes those out that meet the condition.
    mutating func take(where condition: (Value) -> Bool) -> [Value] {
        let taken = values.filter(condition)
        entries.removeAll { condition($0.value) }
        return taken
    }

    mutating func removeValue(forKey id: Int) -> Value? {
        let index = position(of: id)
        return index < entries.count && entries[index].id == id ? entries.remove(at: index).value : nil
    }
}
