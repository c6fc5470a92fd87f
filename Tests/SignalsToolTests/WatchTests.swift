// `signals watch`: what it prints as a process changes, and how it ends.
import Foundation
import SignalBridge
import TestSupport
import Testing

@testable import SignalsTool

#if os(Linux)
    @Suite("signals watch")
    struct WatchTests {
        @Test("The program prints each change, and ends with the process")
        func text() async throws {
            try await Subject.with("handles") { subject in
                let watch = try start("--interval=0.02", "\(subject.id)")
                let title = await watch.line(before: "watching every 20 ms; Ctrl-C ends this")
                #expect(title?.hasPrefix("\(subject.id) ") == true)
                subject.send(.sigstop)
                #expect(await watch.line(before: "  is stopped", "  now SIGTERM runs its handler, but not yet") != nil)
                subject.send(.sigterm)
                #expect(await watch.line(before: "  TERM pending for the process") != nil)
                subject.send(.sigcont)
                let words = "  TERM no longer pending for the process"
                #expect(await watch.line(before: "  goes on", words, "  now SIGTERM runs its handler") != nil)
                subject.send(.sigkill)
                let ended = await watch.end()
                #expect(ended.output.hasSuffix("  process \(subject.id) has ended\n"), "\(ended.output)")
                #expect(ended.code == 0 && ended.errors.isEmpty)
            }
        }

        @Test("With --json each change is a line, and so is the end")
        func json() async throws {
            try await Subject.with("plain") { subject in
                let watch = try start("--json", "--interval", "0.02", "\(subject.id)")
                #expect(try state(await watch.line()) == "sleeping")
                subject.send(.sigstop)
                try await wait(for: "stopped", from: watch)
                subject.send(.sigkill)
                try await wait(for: "ended", from: watch)
                #expect(await watch.end().code == 0)
            }
        }

        @Test("A zombie has ended")
        func zombie() async throws {
            try await Subject.with("zombie") { subject in
                let ended = await (try start("\(subject.id)")).end()
                let words = "process \(subject.id) has ended, and its parent \(subject.keeper) has not waited for it\n"
                #expect(ended.output.hasSuffix(words) && ended.code == 0)
            }
        }

        @Test("The program dies by the signal that asks it to end", arguments: [SIGINT, SIGTERM])
        func interrupted(signal: Int32) async throws {
            try await Subject.with("plain") { subject in
                let watch = try start("\(subject.id)")
                _ = await watch.line(before: "Ctrl-C ends this")
                kill(watch.id, signal)
                let ended = await watch.end()
                #expect(ended.code == -signal && ended.output.isEmpty)
            }
        }

        @Test("Threads, signalfds, masks and dispositions are compared")
        func changes() {
            var old = ProcessSnapshot(id: 7, name: "x", state: .sleeping)
            old.caught = SignalSet(.sighup)
            old.threads = [thread(7), thread(8)]
            old.signalDescriptors = [SignalDescriptor(number: 3, signals: SignalSet(.sigint))]
            var new = old
            #expect(SnapshotChanges(from: old, to: new).sentences.isEmpty)
            new.state = .running
            #expect(SnapshotChanges(from: old, to: new).sentences.isEmpty, "that is no news")
            new.caught = SignalSet()
            new.ignored = SignalSet(.sighup)
            new.tracer = 9
            new.threads = [thread(7), thread(11)]
            new.threads[0].blocked = SignalSet(.sigterm)
            new.threads[0].pending = SignalSet(.sigusr1)
            new.threads[0].wait = .signals(SignalSet(.sigquit))
            new.signalDescriptors = [SignalDescriptor(number: 4, signals: SignalSet(.sigint))]
            #expect(
                SnapshotChanges(from: old, to: new).sentences == [
                    "no longer catches HUP", "ignores HUP", "thread 8 (worker) has ended", "thread 7 blocks TERM",
                    "USR1 pending for thread 7", "thread 7 waits in sigwait(3) for QUIT",
                    "thread 11 (worker) has started, and blocks nothing", "descriptor 4 is a signalfd: INT",
                    "descriptor 3 is no longer a signalfd", "is traced by 9",
                ])
        }

        private func thread(_ id: Int32) -> ThreadSnapshot {
            ThreadSnapshot(id: id, name: "worker", state: .sleeping, blocked: SignalSet(), pending: SignalSet())
        }

        private func start(_ arguments: String...) throws -> ChildProcess {
            try ChildProcess([ChildProcess.binaries + "/signals", "watch"] + arguments)
        }

        /// Throws if the output ends before a line with this state, because an empty line is no JSON.
        private func wait(for expected: String, from watch: ChildProcess) async throws {
            while try state(await watch.line()) != expected {}
        }

        private func state(_ line: String?) throws -> String? {
            let object = try JSONSerialization.jsonObject(with: Data((line ?? "").utf8))
            return (object as? [String: Any])?["state"] as? String
        }
    }
#endif
