/// A descriptor that gets a line when the daemon is ready, and the file that it had when this value was made.
struct ReadinessDescriptor: Hashable, Sendable {
    let number: Int32
    private let file: [UInt64]?

    init(_ number: Int32) {
        self.number = number
        file = fileIdentity(of: number)
    }

    /// Returns errno or 0. If the program has closed the descriptor, its number may be another file's.
    func report() -> Int32 {
        file != nil && fileIdentity(of: number) == file ? reportReadiness(on: number) : isNotOpen
    }
}
