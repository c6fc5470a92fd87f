import SignalBridge

/// The usual senders of a signal, and its manual page, for the signals that `signal(7)` describes.
struct SignalFacts: Sendable {
    /// The usual senders and their purpose, in sentences.
    let sentBy: String
    /// The most important manual page besides `signal(7)`.
    let page: String

    private init(_ sentBy: String, _ page: String) {
        self.sentBy = sentBy
        self.page = page
    }

    init(of signal: SignalNumber) {
        if signal.isRealtime {
            self = Self.realtime
        } else if let facts = Self.ofJobs[signal] ?? Self.ofFaults[signal] ?? Self.ofEvents[signal] {
            self = facts
        } else {
            self = Self.ofOneSystem[signal.name] ?? SignalFacts("Programs that agree on it.", "kill(2)")
        }
    }

    private static let realtime = SignalFacts(
        "Programs that agree on it, with sigqueue(3) and a value; POSIX timers. The kernel queues each one, and coalesces none. "
            + "systemd has meanings for SIGRTMIN+0 to SIGRTMIN+29; see systemd(1).", "sigqueue(3)")

    /// Signals that users, shells and supervisors send.
    private static let ofJobs: [SignalNumber: SignalFacts] = [
        .sigterm: SignalFacts(
            "kill(1) without an option, systemd, Docker and Kubernetes: a request to end. The last three send SIGKILL some "
                + "seconds later.", "kill(1)"),
        .sigint: SignalFacts("The terminal at Ctrl-C, to the group in the foreground.", "termios(3)"),
        .sigquit: SignalFacts(
            "The terminal at Ctrl-\\. Some servers take it as a graceful stop (nginx).", "termios(3)"),
        .sighup: SignalFacts(
            "The kernel when the terminal is closed. People and supervisors send it to daemons, as a request to reload.",
            "termios(3)"),
        .sigkill: SignalFacts(
            "kill -9, a supervisor whose patience ended, and the kernel when memory runs out.", "kill(2)"),
        .sigstop: SignalFacts("kill -STOP, and debuggers.", "kill(2)"),
        .sigtstp: SignalFacts("The terminal at Ctrl-Z.", "termios(3)"),
        .sigcont: SignalFacts(
            "A shell (fg, bg), and a supervisor after SIGTERM. It lets a stopped process go on, also where it is blocked or "
                + "ignored.", "kill(2)"),
        .sigttin: SignalFacts("The terminal, to a process in the background that reads from it.", "termios(3)"),
        .sigttou: SignalFacts(
            "The terminal, to a process in the background that changes it, or writes to it after stty tostop.",
            "termios(3)"),
        .sigwinch: SignalFacts("The terminal when its window changes its size.", "ioctl_tty(2)"),
        .sigusr1: SignalFacts("Only programs that agree on it: often to reopen log files.", "kill(2)"),
        .sigusr2: SignalFacts("Only programs that agree on it.", "kill(2)"),
    ]

    /// Signals that the kernel sends to a thread that caused a fault.
    private static let ofFaults: [SignalNumber: SignalFacts] = [
        .sigsegv: SignalFacts("The kernel, to a thread that uses memory which is not its own.", "sigaction(2)"),
        .sigbus: SignalFacts(
            "The kernel, to a thread that uses memory which has no storage, such as a mapped file's past its end.",
            "sigaction(2)"),
        .sigill: SignalFacts(
            "The kernel, to a thread at an illegal instruction: in Swift also a trap.", "sigaction(2)"),
        .sigtrap: SignalFacts("The kernel, at a breakpoint: in Swift on arm64 also a trap.", "ptrace(2)"),
        .sigfpe: SignalFacts("The kernel, to a thread that divides an integer by zero.", "sigaction(2)"),
        .sigsys: SignalFacts("The kernel, at a system call that a sandbox refuses.", "seccomp(2)"),
        .sigabrt: SignalFacts(
            "The process itself, by abort(3) and assert(3); systemd, when the watchdog was not fed.", "abort(3)"),
    ]

    /// Signals that the kernel sends for an event.
    private static let ofEvents: [SignalNumber: SignalFacts] = [
        .sigchld: SignalFacts("The kernel, to the parent of a process that ended, stopped or went on.", "wait(2)"),
        .sigpipe: SignalFacts(
            "The kernel, at a write to a pipe or socket that nobody reads. Servers ignore it, and look at EPIPE.",
            "pipe(7)"),
        .sigalrm: SignalFacts("The kernel, when the time of alarm(2) or setitimer(2) is over.", "alarm(2)"),
        .sigvtalrm: SignalFacts("The kernel, when a timer of the process's own CPU time expires.", "setitimer(2)"),
        .sigprof: SignalFacts("The kernel, when a profiler's timer expires.", "setitimer(2)"),
        .sigxcpu: SignalFacts("The kernel, at the limit of CPU time.", "setrlimit(2)"),
        .sigxfsz: SignalFacts("The kernel, at the limit of file size.", "setrlimit(2)"),
        .sigio: SignalFacts("The kernel, when a descriptor with O_ASYNC is ready.", "fcntl(2)"),
        .sigurg: SignalFacts(
            "The kernel, when urgent data comes on a socket. Go's runtime sends it to itself.", "tcp(7)"),
    ]

    private static let ofOneSystem: [String: SignalFacts] = [
        "SIGPWR": SignalFacts("An uninterruptible power supply's daemon, and lxc-stop(1), to init.", "signal(7)"),
        "SIGSTKFLT": SignalFacts("Nobody: the kernel does not use it.", "signal(7)"),
        "SIGEMT": SignalFacts("The kernel, at an emulator's trap.", "signal(3)"),
        "SIGINFO": SignalFacts("The terminal at Ctrl-T: a request for a line on how far it is.", "termios(4)"),
    ]
}
