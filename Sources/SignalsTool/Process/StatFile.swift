/// The fields of a `stat` file of `/proc` that are not in `status`, such as the kernel's flags and the time of the
/// start.
struct StatFile {
    /// Whether the whole process has ended, and not only its main thread.
    let hasEnded: Bool
    let parent: Int32
    /// The ids of the process group and the session; 0 for those of another PID namespace.
    let group: Int32
    let session: Int32
    let isKernelThread: Bool
    let isExiting: Bool
    let startTime: UInt64

    /// The name, in parentheses, may contain any character, even one that joins the parenthesis to a
    /// `Character`; the fields are counted from its end.
    init?(_ text: String) {
        guard let end = text.utf8.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = text[text.utf8.index(after: end)...].split { $0 == " " || $0 == "\n" }
        guard fields.count > 19, let parent = Int32(fields[1]), let group = Int32(fields[2]),
            let session = Int32(fields[3]), let flags = UInt32(fields[6]), let count = Int(fields[17]),
            let start = UInt64(fields[19])
        else { return nil }
        hasEnded = ["Z", "X", "x"].contains(fields[0]) && count <= 1
        (self.parent, self.group, self.session) = (parent, group, session)
        isKernelThread = flags & 0x0020_0000 != 0  // PF_KTHREAD
        isExiting = flags & 0x4 != 0  // PF_EXITING
        startTime = start
    }
}
