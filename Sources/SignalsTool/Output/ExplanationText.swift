import SignalBridge

/// The description of a signal, for people.
struct ExplanationText {
    let explanation: Explanation
    let style: TextStyle

    var lines: [String] {
        let signal = explanation.signal
        let number = "signal \(signal.rawValue)"
        let title = style.bold(explanation.isReserved ? number : "\(signal.name), \(number)")
        if explanation.isReserved {
            return [title]
                + TextLayout.row("use", "The C library keeps it for itself, for cancelling threads and the like.")
                + manual
        }
        return [title] + TextLayout.row("default", "the kernel \(explanation.defaultAction.words)")
            + TextLayout.row("catchable", catchable) + TextLayout.row("sent by", explanation.facts.sentBy) + policies
            + manual
    }

    private var catchable: String {
        if !explanation.isCatchable { return "no: it can be neither caught nor blocked nor ignored" }
        return explanation.isSubscribable
            ? "yes" : "by a handler of C; SignalBridge refuses it, because it stands for a fault of the thread"
    }

    /// Policies with the same meaning share a line.
    private var policies: [String] {
        var groups: [(meaning: PolicyMeaning, names: [String])] = []
        for (name, meaning) in explanation.policies {
            if let index = groups.firstIndex(where: { $0.meaning == meaning }) {
                groups[index].names.append("." + name)
            } else {
                groups.append((meaning, ["." + name]))
            }
        }
        if groups.count == 1 { return TextLayout.row("daemon", "\(groups[0].meaning.words): every SignalPolicy") }
        return groups.enumerated().flatMap { index, group in
            TextLayout.row(
                index == 0 ? "daemon" : "", "\(group.meaning.words): SignalPolicy \(group.names.joined(separator: " "))"
            )
        }
    }

    private var manual: [String] {
        TextLayout.row("manual", explanation.manualPages.joined(separator: ", "))
    }
}
