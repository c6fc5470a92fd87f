import SignalBridge
import SignalDaemon
import Worker
import XCTest

final class WorkerXCTests: XCTestCase {
    func testAJobInHandIsFinished() async throws {
        try await withSimulatedSignals { simulator in
            async let ending = Worker(clock: simulator.clock).run()
            await simulator.clock.waitForSleeper()  // a job has begun
            try simulator.send(.sigterm)
            simulator.advance(by: .seconds(10))
            let report = try await ending
            XCTAssertEqual(try report.result.get(), 1)
            XCTAssertEqual(report.exitStatus, .code(0))
        }
    }
}
