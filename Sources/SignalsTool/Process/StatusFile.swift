/// The fields of a `status` file of `/proc`: a name, a colon, white space and a value on each line.
struct StatusFile {
    private let fields: [Substring: Substring]

    init(_ text: String) {
        var fields: [Substring: Substring] = [:]
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon]] = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        }
        self.fields = fields
    }

    func text(_ name: Substring) -> String? { fields[name].map(String.init) }

    func number<Number: FixedWidthInteger>(_ name: Substring) -> Number? {
        let numbers: [Number] = numbers(name)
        return numbers.first
    }

    /// The numbers of a field, which white space or a slash separates.
    func numbers<Number: FixedWidthInteger>(_ name: Substring) -> [Number] {
        (fields[name] ?? "").split { $0 == " " || $0 == "\t" || $0 == "/" }.compactMap { Number($0) }
    }

    func signals(_ name: Substring) -> SignalSet {
        fields[name].flatMap { SignalSet(hexadecimal: $0) } ?? SignalSet()
    }

    var state: RunState {
        fields["State"]?.first.map(RunState.init(letter:)) ?? .other("?")
    }
}
