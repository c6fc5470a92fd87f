/// Values by number, in the order in which they were added. It adds a tenth of the code that a dictionary adds to a
/// program.
struct Numbered<Value> {
    private var entries: [(id: Int, value: Value)] = []
    private var lastID = 0

    var values: [Value] { entries.map(\.value) }

    mutating func add(_ value: Value) -> Int {
        lastID += 1
        entries.append((lastID, value))
        return lastID
    }

    mutating func remove(_ id: Int) -> Value? {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low].id == id ? entries.remove(at: low).value : nil
    }
}
