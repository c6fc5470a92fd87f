/// The waiting requests, by the number of the reload that answers them. A plain value.
struct ReloadRequests: Sendable {
    private var requests: [(number: Int, request: ReloadRequest)] = []

    mutating func add(_ number: Int) -> ReloadRequest {
        let request = ReloadRequest()
        requests.append((number, request))
        return request
    }

    /// Removes and returns the requests that the reload with this number answers.
    mutating func take(upTo number: Int) -> [ReloadRequest] {
        defer { requests.removeAll { $0.number <= number } }
        return requests.filter { $0.number <= number }.map(\.request)
    }
}
