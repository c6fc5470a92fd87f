import Foundation
import SignalBridge
import TestSupport

@testable import SignalsTool

#if os(Linux)
    /// A process in a state that `Tests/SignalsToolSubject` knows by a name. It is gone when the test's closure returns.
    struct Subject: Sendable {
        let id: pid_t
        /// Its parent.
        let keeper: pid_t

        /// - Throws: `Skipped`, if the system permits no such process.
        static func with<Result>(
            _ state: String, _ body: (Subject) async throws -> Result
        ) async throws -> Result {
            let keeper = try ChildProcess([ChildProcess.binaries + "/SignalsToolSubject", state])
            guard let line = await keeper.line(), let id = pid_t(line) else {
                throw ChildProcess.Failure(text: "\(state): \(await keeper.end().errors)")
            }
            let subject = Subject(id: id, keeper: keeper.id)
            _ = await subject.shows { $0.threads.allSatisfy { $0.state != .running } }  // it may still be on its way
            do {
                let result = try await body(subject)
                _ = await keeper.end()
                return result
            } catch {
                _ = await keeper.end()
                throw error
            }
        }

        func snapshot() throws -> ProcessSnapshot { try ProcessReader.read(id) }

        func verdict(on signal: SignalNumber = .sigterm) throws -> Verdict {
            Verdict(for: signal, in: try ProcessReader.read(id, for: signal))
        }

        /// Waits until a snapshot shows it.
        func shows(_ condition: (ProcessSnapshot) -> Bool) async -> Bool {
            await eventually { (try? snapshot()).map(condition) ?? false }
        }

        /// Whether it has ended, or ends soon.
        func ends() async -> Bool { await eventually { kill(id, 0) != 0 } }

        func send(_ signal: SignalNumber) { kill(id, signal.rawValue) }
    }

    extension Verdict {
        var codes: [Reason.Code] { reasons.map(\.code) }
        func text(of code: Reason.Code) -> String { reasons.first { $0.code == code }?.text ?? "" }
    }
#endif
