// A daemon that reads its configuration again on SIGHUP, in the same process. A broken file changes nothing.
//
//     echo 'greeting = hello' >/tmp/reload.conf
//     swift run --package-path Examples reload /tmp/reload.conf
//
// From another terminal, with the pid that it prints:
//
//     echo 'greeting = good evening' >/tmp/reload.conf; kill -HUP PID
//     echo 'something else' >/tmp/reload.conf; kill -HUP PID
//     kill PID
import Foundation
import SignalDaemon

struct Configuration: Sendable {
    let greeting: String

    init(contentsOf path: String) throws {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw Invalid(description: "\(path) cannot be read")
        }
        guard let line = text.split(separator: "\n").first, line.hasPrefix("greeting = ") else {
            throw Invalid(description: "\(path) should say: greeting = …")
        }
        greeting = String(line.dropFirst("greeting = ".count))
    }

    struct Invalid: Error, CustomStringConvertible {
        let description: String
    }
}

func say(_ line: String) {
    print(line)
    fflush(nil)  // also where stdout is no terminal
}

guard CommandLine.arguments.count == 2 else {
    say("usage: reload FILE")
    exit(2)
}

// The body is ended, gently, and called again with each new configuration. Where it should run on instead (it has
// connections, say), `apply: { configuration in … }` is given the new one.
let report = try await Daemon.run(onTransition: { say("daemon: \($0)") }) {
    try Configuration(contentsOf: CommandLine.arguments[1])
} body: { daemon, configuration in
    try daemon.addTask("greeter", onShutdown: .cancel) {  // has nothing to finish
        while true {
            say("pid \(getpid()) says \(configuration.greeting)")
            try await Task.sleep(for: .seconds(1))
        }
    }
    daemon.notifyReady()  // the daemon goes on for as long as it has a task
}
report.exit()
