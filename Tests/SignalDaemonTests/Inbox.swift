// A supervisor's socket, for the tests that read what a daemon sends.
import Foundation
import SignalBridge
import SignalDaemon
import TestSupport
import Testing

/// The datagram socket of a supervisor.
final class Inbox: Sendable {
    /// The name, in the form of `NOTIFY_SOCKET`.
    let name: String
    private let descriptor: Int32
    private let read = Shared<[String]>([])

    init(abstract: Bool = false) throws {
        let unique = "signalbridge-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        name = abstract ? "@\(unique)" : "/tmp/\(unique)"
        #if os(Linux)
            let kind = Int32(SOCK_DGRAM.rawValue)
        #else
            let kind = SOCK_DGRAM
        #endif
        let descriptor = socket(AF_UNIX, kind, 0)
        self.descriptor = descriptor
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(name.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { path in
            path.copyBytes(from: bytes)
            if abstract { path[0] = 0 }
        }
        let length = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + bytes.count + (abstract ? 0 : 1)
        let bound = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(length)) }
        }
        try #require(bound == 0, "bind: \(errno)")
    }

    deinit {
        close(descriptor)
        if name.hasPrefix("/") { unlink(name) }
    }

    /// All datagrams so far.
    var datagrams: [String] {
        read { read in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                if count < 0 { return read }
                read.append(String(decoding: buffer[..<count], as: UTF8.self))
            }
        }
    }

    /// The assignments in all of them.
    var lines: [String] { datagrams.flatMap { $0.split(separator: "\n").map(String.init) } }

    func count(_ line: String) -> Int { lines.filter { $0 == line }.count }

    func wait(for line: String, times: Int = 1, at location: SourceLocation = #_sourceLocation) async throws {
        let came = await eventually { count(line) >= times }
        try #require(came, "no \(line) in \(datagrams)", sourceLocation: location)
    }
}

let extend = "EXTEND_TIMEOUT_USEC=10000000"
