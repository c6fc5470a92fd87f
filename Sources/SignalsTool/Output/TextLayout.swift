/// Lines of a label and a text, and long texts over several lines.
enum TextLayout {
    static let width = 100
    private static let labelWidth = 10

    /// Lays out a label and a text; further lines of the text are below the first.
    static func row(_ label: String, _ text: String) -> [String] {
        let lines = wrap(text, to: width - labelWidth - 2)
        return lines.enumerated().map { index, line in
            "  " + pad(index == 0 ? label : "", to: labelWidth) + line
        }
    }

    static func pad(_ text: String, to length: Int) -> String {
        text + String(repeating: " ", count: max(1, length - text.count))
    }

    /// Breaks the text at spaces.
    static func wrap(_ text: String, to length: Int) -> [String] {
        var lines = [""]
        for word in text.split(separator: " ") {
            if lines[lines.count - 1].isEmpty {
                lines[lines.count - 1] = String(word)
            } else if lines[lines.count - 1].count + 1 + word.count <= length {
                lines[lines.count - 1] += " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
