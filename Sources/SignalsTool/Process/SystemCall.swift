/// The present system call of a thread, from a `syscall` file of `/proc`.
struct SystemCall {
    private let number: Int
    let firstArgument: UInt64

    /// `nil` for a running thread, and for a file with another format.
    init?(_ text: String) {
        let words = text.split { $0 == " " || $0 == "\n" }
        guard words.count > 2, let number = Int(words[0]), number >= 0,
            let argument = UInt64(words[1].dropFirst(2), radix: 16)
        else { return nil }
        self.number = number
        firstArgument = argument
    }

    /// Whether it is `rt_sigtimedwait(2)`, the call of `sigwait(3)`, `sigwaitinfo(2)` and `sigtimedwait(2)`.
    var isSignalWait: Bool {
        #if arch(x86_64)
            number == 128
        #else
            number == 137  // of all newer architectures
        #endif
    }
}
