// The library is inside a shared library of the program's.
import Foundation
import Service

@Sendable func say(_ line: String) {
    print(line)
    fflush(nil)
}

let service = try Service(say: say)
say("ended by \(try await service.run(say: say))")
