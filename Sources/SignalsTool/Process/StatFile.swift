/// What a `stat` file of `/proc` has that `status` has not: the kernel's flags and the time of the start.
struct StatFile {
    let isKernelThread: Bool
    let isExiting: Bool
    let startTime: UInt64

    /// The name, in parentheses, may contain any character, even one that joins the parenthesis to a
    /// `Character`; the fields are counted from its end.
    init?(_ text: String) {
        guard let end = text.utf8.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = text[text.utf8.index(after: end)...].split { $0 == " " || $0 == "\n" }
        guard fields.count > 19, let flags = UInt32(fields[6]), let start = UInt64(fields[19]) else { return nil }
        isKernelThread = flags & 0x0020_0000 != 0  // PF_KTHREAD
        isExiting = flags & 0x4 != 0  // PF_EXITING
        startTime = start
    }
}
