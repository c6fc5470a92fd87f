/// Horizontal bars as SVG, for the documentation: light and dark pages, no script, no font of its own.
func barChart(_ title: String, unit: String, _ bars: [(name: String, group: Contestant.Group, value: Double)]) -> String
{
    let (left, width, height) = (150.0, 640.0, 22.0)
    let top = 44.0
    let most = bars.map(\.value).max() ?? 1
    let scale = (width - left - 70) / most
    var lines = [
        ##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \##(Int(width)) \##(Int(top + height * Double(bars.count) + 12))" font-family="sans-serif" font-size="13">"##,
        "<title>\(title)</title>",
        ##"<rect width="100%" height="100%" fill="#ffffff"/>"##,
        ##"<text x="12" y="24" font-weight="bold" fill="#222222">\##(title)</text>"##,
    ]
    for (index, bar) in bars.enumerated() {
        let y = top + height * Double(index)
        let length = max(1, bar.value * scale)
        let weight = bar.group == .ours ? #" font-weight="bold""# : ""
        lines.append(
            ##"<text x="\##(fixed(left - 8, 0))" y="\##(fixed(y + 14, 0))" text-anchor="end" fill="#222222"\##(weight)>\##(bar.name)</text>"##
        )
        lines.append(
            ##"<rect x="\##(fixed(left, 0))" y="\##(fixed(y + 2, 0))" width="\##(fixed(length, 1))" height="\##(fixed(height - 6, 0))" fill="\##(color(bar.group))"/>"##
        )
        lines.append(
            ##"<text x="\##(fixed(left + length + 6, 1))" y="\##(fixed(y + 14, 0))" fill="#444444">\##(fixed(bar.value, bar.value < 100 ? 1 : 0)) \##(unit)</text>"##
        )
    }
    return (lines + ["</svg>", ""]).joined(separator: "\n")
}

private func color(_ group: Contestant.Group) -> String {
    switch group {
    case .ours: "#e8590c"
    case .limit: "#868e96"
    case .c: "#4c6ef5"
    case .rust: "#7048e8"
    case .go: "#1098ad"
    case .node, .python: "#74b816"
    case .swift: "#f59f00"
    }
}
