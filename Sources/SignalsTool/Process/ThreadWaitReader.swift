/// Finds the system call in which a thread waits.
struct ThreadWaitReader {
    /// `/proc/PID/task/TID`.
    let directory: String

    /// The kernel function in which the thread sleeps; `nil` if the kernel does not show it.
    var kernelFunction: String? {
        guard let name = try? ProcFiles.text("\(directory)/wchan"), name != "0", !name.isEmpty else { return nil }
        return name
    }

    /// Reading the system call and the memory of another process needs the permission to trace it. The function's name
    /// needs less.
    var signalWait: SignalWait {
        if let text = try? ProcFiles.text("\(directory)/syscall") {
            guard let call = SystemCall(text), call.isSignalWait else { return .none }
            return ProcFiles.word(at: call.firstArgument, of: "\(directory)/mem")
                .map { .signals(SignalSet(bits: $0).subtracting(.unstoppable)) } ?? .unknownSignals
        }
        guard let kernelFunction else { return .unreadable }
        return kernelFunction.contains("sigtimedwait") ? .unknownSignals : .none
    }
}
