// The verdict on a signal for processes in each state, compared with what really happens.
import Foundation
import SignalBridge
import TestSupport
import Testing

@testable import SignalsTool

#if os(Linux)
    @Suite("Verdicts: which thread takes a TERM, or why kill has no effect")
    struct VerdictTests {
        @Test("A process without a handler ends")
        func plain() async throws {
            try await Subject.with("plain") { subject in
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .terminates && !verdict.isDelayed)
                #expect(verdict.takers == [subject.id] && verdict.codes == [.defaultAction])
                subject.send(.sigterm)
                #expect(await subject.ends())
            }
        }

        @Test("A handler takes it, and the process lives")
        func handler() async throws {
            try await Subject.with("handles") { subject in
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .handled && verdict.codes == [.handler])
                #expect(verdict.takers == [subject.id])
                let snapshot = try subject.snapshot()
                #expect(snapshot.caught.contains(.sighup) && !snapshot.caught.contains(.sigpipe))
                #expect(snapshot.ignored.ofPrograms == SignalSet(.sigpipe))
                subject.send(.sigterm)
                #expect(await subject.shows { $0.pending.isEmpty } && kill(subject.id, 0) == 0)
            }
        }

        @Test("Every thread blocks it: it stays pending, and a second one coalesces with it")
        func blockedInAll() async throws {
            try await Subject.with("blocks-in-all") { subject in
                #expect(await subject.shows { $0.threads.count == 2 })
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .pending && verdict.takers.isEmpty && verdict.codes == [.blocked])
                #expect(verdict.text(of: .blocked).hasPrefix("All 2 threads block SIGTERM"))
                subject.send(.sigterm)
                #expect(await subject.shows { $0.pending == SignalSet(.sigterm) })
                #expect(try subject.verdict().codes == [.alreadyPending, .blocked])
                #expect(try subject.verdict(on: .sigkill).outcome == .terminates)
            }
        }

        @Test("One thread blocks it: the other one takes it")
        func blockedInOne() async throws {
            try await Subject.with("unblocks-in-one") { subject in
                let snapshot = try subject.snapshot()
                #expect(snapshot.threads.map { $0.blocked.contains(.sigterm) } == [true, false])
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .terminates && verdict.takers == [snapshot.threads[1].id])
                #expect(try subject.verdict(on: .sigint).outcome == .pending)
                subject.send(.sigterm)
                #expect(await subject.ends())
            }
        }

        @Test("An ignored signal is discarded")
        func ignored() async throws {
            try await Subject.with("ignores") { subject in
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .discarded && verdict.codes == [.ignored])
                subject.send(.sigterm)
                #expect(try subject.snapshot().pending.isEmpty)
                #expect(try subject.verdict(on: .sigchld).codes == [.ignoredByDefault])
            }
        }

        @Test("Sent to a stopped process, it is pending until SIGCONT")
        func stopped() async throws {
            try await Subject.with("stopped") { subject in
                let verdict = try subject.verdict()
                #expect(
                    verdict.outcome == .terminates && verdict.isDelayed && verdict.codes == [.defaultAction, .stopped])
                #expect(verdict.summary == "SIGTERM ends it, but not yet")
                subject.send(.sigterm)
                #expect(await subject.shows { $0.pending == SignalSet(.sigterm) && $0.state == .stopped })
                #expect(try subject.verdict(on: .sigcont).outcome == .continues)
                subject.send(.sigcont)
                #expect(await subject.ends())
            }
        }

        @Test("A terminal's stop is discarded in an orphaned process group, and in no other")
        func orphanedGroup() async throws {
            try await Subject.with("session") { subject in
                for signal in [SignalNumber.sigtstp, .sigttin, .sigttou] {
                    let verdict = try subject.verdict(on: signal)
                    #expect(verdict.outcome == .discarded && verdict.codes == [.orphanedGroup])
                    subject.send(signal)
                }
                #expect(await subject.shows { $0.pending.isEmpty && $0.state == .sleeping })
                #expect(try subject.verdict(on: .sigstop).outcome == .stops)
            }
            try await Subject.with("group") { subject in
                let verdict = try subject.verdict(on: .sigtstp)
                #expect(verdict.outcome == .stops)
                subject.send(.sigtstp)
                #expect(await subject.shows { $0.isStopped })
            }
        }

        @Test("A stop is seen when the main thread has ended")
        func stoppedWithoutMainThread() async throws {
            try await Subject.with("main-ended") { subject in
                #expect(await subject.shows { $0.state == .zombie })
                let before = try subject.snapshot()
                subject.send(.sigstop)
                #expect(await subject.shows { $0.isStopped })
                #expect(try SnapshotChanges(from: before, to: subject.snapshot()).sentences == ["is stopped"])
                let verdict = try subject.verdict()
                #expect(verdict.isDelayed && verdict.codes == [.defaultAction, .stopped])
                #expect(try subject.verdict(on: .sigcont).outcome == .continues)
            }
        }

        @Test("Nothing has an effect on a zombie")
        func zombie() async throws {
            try await Subject.with("zombie") { subject in
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .nothing && verdict.codes == [.zombie])
                #expect(verdict.text(of: .zombie).contains("its parent, \(subject.keeper) (SignalsToolSubj"))
                #expect(try subject.verdict(on: .sigkill).outcome == .nothing)
                subject.send(.sigkill)
                #expect(try subject.snapshot().hasEnded)
            }
        }

        @Test(
            "PID 1 of a namespace has no default action",
            .enabled(if: canMakePIDNamespace, "no permission for a PID namespace: unshare(2)"))
        func initOfNamespace() async throws {
            try await Subject.with("init") { subject in
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .discarded && verdict.codes == [.nestedNamespace, .namespaceInit])
                #expect(try subject.snapshot().namespaceIDs == [subject.id, 1])
                subject.send(.sigterm)
                #expect(try subject.snapshot().pending.isEmpty)
                #expect(try subject.verdict(on: .sigkill).outcome == .terminates)
                subject.send(.sigkill)
                #expect(await subject.ends())
            }
        }

        @Test("A signalfd takes what every thread blocks")
        func signalDescriptor() async throws {
            try await Subject.with("signalfd") { subject in
                let descriptors = try #require(try subject.snapshot().signalDescriptors)
                #expect(descriptors.map(\.signals) == [SignalSet(.sigterm, .sigint)])
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .pending && verdict.codes == [.blocked, .signalfd])
                #expect(verdict.text(of: .signalfd).hasPrefix("Descriptor \(descriptors[0].number) is a signalfd"))
                subject.send(.sigterm)
                #expect(await subject.ends())
            }
        }

        @Test("A thread in sigwait gets it, although the default action is deadly")
        func signalWait() async throws {
            try await Subject.with("sigwait") { subject in
                let awaited = SignalWait.signals(SignalSet(.sigterm, .sigusr1))
                #expect(await subject.shows { $0.threads[0].wait == awaited })
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .accepted && verdict.codes == [.sigwait])
                #expect(verdict.takers == [subject.id])
                #expect(try subject.verdict(on: .sigint).outcome == .terminates)
                subject.send(.sigterm)
                #expect(await subject.ends())
            }
        }

        @Test("The verdict tells signals that are pending for the process from those for a thread")
        func pending() async throws {
            try await Subject.with("pending") { subject in
                let snapshot = try subject.snapshot()
                #expect(snapshot.pending == SignalSet(.sigterm))
                #expect(snapshot.threads.map(\.pending) == [SignalSet(.sigusr1)])
                #expect(snapshot.queued >= 2 && snapshot.queueLimit >= snapshot.queued)
                #expect(try subject.verdict().codes == [.alreadyPending, .blocked])
            }
        }

        @Test("A tracer gets it first")
        func traced() async throws {
            try await Subject.with("traced") { subject in
                let verdict = try subject.verdict()
                #expect(verdict.isDelayed && verdict.codes == [.defaultAction, .traced])
                #expect(try subject.snapshot().tracer == subject.keeper)
                subject.send(.sigterm)
                #expect(await subject.shows { $0.pending == SignalSet(.sigterm) && $0.state == .traced })
            }
        }

        @Test("The verdict names an uninterruptible sleep and the kernel's function")
        func uninterruptible() async throws {
            try await Subject.with("vfork") { subject in
                #expect(await subject.shows { $0.state == .uninterruptible && $0.threads[0].kernelFunction != nil })
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .terminates && verdict.codes == [.defaultAction, .uninterruptible])
                #expect(verdict.text(of: .uninterruptible).contains("uninterruptible sleep (D, in "))
                subject.send(.sigterm)  // deadly signals break off a vfork
                #expect(await subject.ends())
            }
        }

        @Test("When the main thread has ended, another one takes it")
        func endedMainThread() async throws {
            try await Subject.with("main-ended") { subject in
                #expect(await subject.shows { $0.state == .zombie })
                let snapshot = try subject.snapshot()
                #expect(!snapshot.hasEnded && snapshot.liveThreads.count == 1)
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .terminates && verdict.takers == [snapshot.liveThreads[0].id])
                let style = TextStyle(isColored: false)
                let lines = InspectionText(process: snapshot, verdict: verdict, style: style).lines
                #expect(lines[1].hasPrefix("  state     its main thread has ended; uid "))
                subject.send(.sigterm)
                #expect(await subject.ends())
            }
        }

        @Test(
            "A control group that is frozen holds a handler up", .enabled(if: Freezer.isAvailable, "no control group"))
        func frozen() async throws {
            try await Subject.with("handles") { subject in
                let freezer = try Freezer(subject.id)
                defer { freezer.remove() }
                #expect(await subject.shows { $0.isFrozen })
                let verdict = try subject.verdict()
                #expect(verdict.outcome == .handled && verdict.isDelayed && verdict.codes.contains(.frozen))
                let stop = try subject.verdict(on: .sigstop)
                #expect(stop.outcome == .stops && stop.isDelayed)
                subject.send(.sigstop)
                #expect(await subject.shows { $0.pending == SignalSet(.sigstop) && !$0.isStopped })
                #expect(try !subject.verdict(on: .sigkill).isDelayed)
                subject.send(.sigkill)
                #expect(await subject.ends(), "although it is frozen")
            }
        }

        @Test(
            "A thread of the kernel discards it",
            .enabled(if: FileManager.default.fileExists(atPath: "/proc/2/status"), "no kernel threads in this /proc"))
        func kernelThread() throws {
            let snapshot = try ProcessReader.read(2)
            guard snapshot.name == "kthreadd" else { return }
            #expect(Verdict(for: .sigterm, in: snapshot).codes.contains(.kernelThread))
        }
    }

    /// Whether `unshare(2)` makes a PID namespace here.
    private let canMakePIDNamespace =
        (try? ChildProcess([ChildProcess.binaries + "/SignalsToolSubject", "init"]))?.endAndBlock().code == 0
#endif
