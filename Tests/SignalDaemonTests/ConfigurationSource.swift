// A configuration for the tests of reloads.
import TestSupport

/// A configuration that is a number. It counts the loads, and how many loads and applications run at once.
final class ConfigurationSource: Sendable {
    private let state = Shared((version: 0, loads: 0, active: 0, most: 0, applied: -1))

    func change() { state { $0.version += 1 } }
    var version: Int { state.now.version }
    var loads: Int { state.now.loads }
    var most: Int { state.now.most }
    var applied: Int { state.now.applied }

    func enter() {
        state {
            $0.active += 1
            $0.most = max($0.most, $0.active)
        }
    }
    func leave() { state { $0.active -= 1 } }

    /// Reads the version when it starts, so a signal that comes after that needs another load.
    @Sendable func load() async throws -> Int {
        enter()
        defer { leave() }
        let version = state { state in
            state.loads += 1
            return state.version
        }
        for _ in 0..<3 { await Task.yield() }
        return version
    }

    @Sendable func apply(_ version: Int) async throws {
        enter()
        defer { leave() }
        await Task.yield()
        state { $0.applied = version }
    }
}
