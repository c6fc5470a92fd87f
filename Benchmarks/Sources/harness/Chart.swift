/// Horizontal bars as SVG: as wide as a phone can show with readable text, in the colours of a light or a dark page.
func barChart(_ title: String, unit: String, _ bars: [(name: String, group: Contestant.Group, value: Double)]) -> String
{
    let (left, width, height) = (124.0, 400.0, 24.0)
    let top = 62.0
    let most = bars.map(\.value).max() ?? 1
    let scale = (width - left - 78) / most
    let total = Int(top + height * Double(bars.count) + 10)
    var lines = [
        ##"<svg xmlns="http://www.w3.org/2000/svg" width="400" height="\##(total)" viewBox="0 0 400 \##(total)" font-family="sans-serif" font-size="15">"##,
        "<title>\(title)</title>",
        """
        <style>
        .page { fill: #ffffff } .text { fill: #222222 } .this { fill: #d9480f } .other { fill: #748ffc } .limit { fill: #868e96 }
        .right { text-anchor: end } .strong { font-weight: bold }
        @media (prefers-color-scheme: dark) { .page { fill: #1c1c1e } .text { fill: #eeeeee } .this { fill: #ff922b } }
        </style>
        """,
        ##"<rect class="page" width="100%" height="100%"/>"##,
        ##"<text class="text strong" x="8" y="24">\##(title)</text>"##,
    ]
    let legend = [("this", "this library"), ("limit", "by hand, in C"), ("other", "peers")]
    for (index, (group, name)) in legend.enumerated() {
        let x = 8 + 130 * index
        lines += [
            ##"<rect class="\##(group)" x="\##(x)" y="37" width="12" height="12"/>"##,
            ##"<text class="text" x="\##(x + 18)" y="49">\##(name)</text>"##,
        ]
    }
    for (index, bar) in bars.enumerated() {
        let y = top + height * Double(index)
        let length = max(1, bar.value * scale)
        let weight = bar.group == .signalBridge ? " strong" : ""
        // Rounded down, so that 99.9995 % does not read as 100 %.
        let rounded = unit == "%" ? (bar.value * 100).rounded(.down) / 100 : bar.value
        let digits = unit == "%" && rounded > 99 ? 2 : 1
        let value = "\(fixed(rounded, rounded < 100 ? digits : 0)) \(unit)"
        lines += [
            ##"<text class="text right\##(weight)" x="\##(fixed(left - 8, 0))" y="\##(fixed(y + 16, 0))">\##(bar.name)</text>"##,
            ##"<rect class="\##(colour(bar.group))" x="\##(fixed(left, 0))" y="\##(fixed(y + 2, 0))" width="\##(fixed(length, 1))" height="\##(fixed(height - 6, 0))"/>"##,
            ##"<text class="text\##(weight)" x="\##(fixed(left + length + 6, 1))" y="\##(fixed(y + 16, 0))">\##(value)</text>"##,
        ]
    }
    return (lines + ["</svg>", ""]).joined(separator: "\n")
}

private func colour(_ group: Contestant.Group) -> String {
    switch group {
    case .signalBridge: "this"
    case .baseline: "limit"
    case .c, .rust, .go, .node, .python, .swift: "other"
    }
}
