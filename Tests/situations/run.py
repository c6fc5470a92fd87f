#!/usr/bin/env python3
"""Daemons in the situations that users reported: real processes, signals, terminals and launchers.

run.py [-n TIMES] [--with FRAMEWORK] [NAME…]   a line for each situation; exit status 1 if one failed. TIMES is how often each
race is run (10). FRAMEWORK, which is fetched and built: service-group, hummingbird.

A situation that needs a program which is not there (npm, bash, unshare) is skipped with a word. SCRATCH=DIR builds there.
"""
import argparse
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
scratch = os.environ.get("SCRATCH", os.path.join(here, "../../.build/situations"))
swift = os.environ.get("SWIFT", "swift")
program = None
frameworks = []
situations = []


class Wrong(Exception):
    pass


class Skip(Exception):
    pass


def situation(function):
    situations.append(function)
    return function


def expect(condition, what):
    if not condition:
        raise Wrong(what)


def need(*names):
    for name in names:
        if shutil.which(name) is None:
            raise Skip(f"{name} is not here")


class Daemon:
    """A process, and what it has printed."""

    def __init__(self, *arguments, prefix=(), path=None, stdin=subprocess.DEVNULL, env=None, **options):
        self.output = b""
        self.process = subprocess.Popen(
            [*prefix, path or program, *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})}, **options)
        os.set_blocking(self.process.stdout.fileno(), False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def wait_for(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text.encode() not in self.output:
            left = end - time.monotonic()
            if left <= 0 or (self.process.poll() is not None and not self.read(0)):
                raise Wrong(f"no “{text}” in {self.text!r}")
            self.read(left)
        return self

    def read(self, seconds):
        ready, _, _ = select.select([self.process.stdout], [], [], min(seconds, 0.2))
        data = self.process.stdout.read() if ready else None
        self.output += data or b""
        return data

    @property
    def text(self):
        return self.output.decode(errors="replace")

    def send(self, *signals, pause=0.0):
        for number in signals:
            os.kill(self.process.pid, number)
            time.sleep(pause)
        return self

    def end(self, seconds=20):
        """Waits for the end; returns the status, which is negative for a signal, as that of subprocess."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise Wrong(f"did not end within {seconds} s: {self.text!r}")
            self.read(0.05)
        while self.read(0):
            pass
        return self.process.returncode

    def expect_end(self, status, *texts, without=(), seconds=20):
        got = self.end(seconds)
        expect(got == status, f"status {got}, not {status}: {self.text!r}")
        for text in texts:
            expect(text in self.text, f"no “{text}” in {self.text!r}")
        for text in without:
            expect(text not in self.text, f"“{text}” in {self.text!r}")


def orphan_is_gone(pid, seconds=5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


# B1: one request that arrives twice


@situation
def timeout_signals_the_child_and_its_group(times):
    need("timeout")
    for _ in range(times):
        with Daemon("drains", prefix=["timeout", "1"]) as daemon:
            daemon.expect_end(124, "drained", "cleaned up", without=["escalates", "forced"])


@situation
def timeout_in_the_foreground_signals_the_child_alone(times):
    need("timeout")
    for _ in range(times):
        with Daemon("drains", prefix=["timeout", "--foreground", "1"]) as daemon:
            daemon.expect_end(124, "drained", "cleaned up", without=["duplicate", "forced"])


@situation
def a_policy_that_forces_the_exit_survives_timeout_too(times):
    need("timeout")
    for _ in range(times):
        with Daemon("drains-as-tool", prefix=["timeout", "1"]) as daemon:
            daemon.expect_end(124, "drained", "cleaned up", without=["forced"])


@situation
def a_launcher_forwards_what_its_process_group_got(times):
    launcher = (
        "import os, signal, subprocess, sys, time\n"
        "child = subprocess.Popen(sys.argv[1:])\n"
        "def forward(number, _):\n"
        "    time.sleep(0.02)\n"  # at once, the kernel would coalesce the two
        "    child.send_signal(number)\n"
        "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
        "    signal.signal(number, forward)\n"
        "print('launched', flush=True)\n"
        "sys.exit(child.wait())\n")
    duplicates = 0
    for number in (signal.SIGTERM, signal.SIGINT):
        for _ in range(times):
            with Daemon("drains", prefix=[sys.executable, "-c", launcher], start_new_session=True) as daemon:
                daemon.wait_for("launched").wait_for("ready")
                os.killpg(daemon.process.pid, number)
                daemon.end()
                expect("drained" in daemon.text and "cleaned up" in daemon.text, daemon.text)
                expect("escalates" not in daemon.text and "forced" not in daemon.text, daemon.text)
                duplicates += "is a duplicate" in daemon.text  # not where the kernel coalesced the two
    expect(duplicates > 0, "no duplicate ever came")


@situation
def npm_forwards_the_interrupt_of_the_terminal(times):
    need("npm", "node")
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "package.json"), "w") as package:
            package.write('{"name": "x", "version": "1.0.0", "scripts": {"start": "exec %s drains"}}' % program)
        for _ in range(max(1, times // 2)):
            with Terminal(["npm", "--silent", "--prefix", directory, "start"]) as terminal:
                terminal.wait_for("ready", 60)
                terminal.write(b"\x03")
                terminal.wait_for("cleaned up")
                expect("drained" in terminal.text, terminal.text)
                expect("escalates" not in terminal.text and "forced" not in terminal.text, terminal.text)


class Terminal:
    """A process whose controlling terminal is a pseudo-terminal."""

    def __init__(self, command):
        self.output = b""
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass

    def write(self, data):
        os.write(self.descriptor, data)

    def wait_for(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text.encode() not in self.output:
            left = end - time.monotonic()
            if left <= 0:
                raise Wrong(f"no “{text}” in {self.text!r}")
            if select.select([self.descriptor], [], [], min(left, 0.2))[0]:
                try:
                    self.output += os.read(self.descriptor, 65536)
                except OSError:
                    raise Wrong(f"closed, without “{text}”: {self.text!r}")
        return self

    @property
    def text(self):
        return self.output.decode(errors="replace")

    def close(self):
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


@situation
def two_key_presses_are_two_requests(times):
    for _ in range(times):
        with Terminal([program, "drains"]) as terminal:
            terminal.wait_for("ready")
            terminal.write(b"\x03")
            terminal.wait_for("draining:")
            terminal.write(b"\x03")
            terminal.wait_for("escalates")


@situation
def a_terminal_closes_under_bash(times):
    need("bash")
    for _ in range(times):
        with tempfile.NamedTemporaryFile("r") as log:
            with Terminal(["bash", "--norc", "-i"]) as terminal:
                terminal.write(f"{program} drains >{log.name} 2>&1\n".encode())
                wait_for_file(log, "ready")
                terminal.close()
                text = wait_for_file(log, "cleaned up")
                expect("drained" in text, text)
                expect("escalates" not in text and "forced" not in text, text)


@situation
def a_hang_up_of_the_terminal_ends_and_one_of_a_process_reloads(times):
    with tempfile.NamedTemporaryFile("r") as log:
        with Terminal(["sh", "-c", f"exec {program} reloads >{log.name} 2>&1"]) as terminal:
            wait_for_file(log, "ready")
            os.kill(terminal.pid, signal.SIGHUP)
            wait_for_file(log, "\nreloaded")
            terminal.close()
            text = wait_for_file(log, "cleaned up")
            expect("drained" in text, text)


def wait_for_file(file, text, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        file.seek(0)
        content = file.read()
        if text in content:
            return content
        time.sleep(0.02)
    raise Wrong(f"no “{text}” in {content!r}")


# B2: an end that cannot hang


@situation
def a_thread_that_reads_stdin_does_not_hold_up_the_end(times):
    reader, writer = os.pipe()
    try:
        with Daemon("reads-stdin", stdin=reader) as daemon:
            began = time.monotonic()
            daemon.expect_end(0, seconds=4)
            expect(time.monotonic() - began < 3, "took more than a second after the body")
    finally:
        os.close(reader)
        os.close(writer)


@situation
def a_full_pipe_does_not_hold_up_the_end(times):
    for mode in ("prints-into-full-pipe", "prints-errors-into-full-pipe"):
        reader, writer = os.pipe()
        try:
            process = subprocess.Popen([program, mode], stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
            os.close(writer)
            try:
                status = process.wait(6)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise Wrong(f"{mode} did not end")
            expect(status == (0 if mode == "prints-into-full-pipe" else 1), f"{mode}: status {status}")
        finally:
            os.close(reader)


@situation
def a_hung_exit_handler_does_not_hold_up_the_end(times):
    with Daemon("hangs-at-exit") as daemon:
        daemon.expect_end(0, seconds=4)


def namespace():
    need("unshare", "setpriv")
    prefix = ["unshare", "-Urpf", "--mount-proc", "--kill-child"]
    if os.getuid() == 0:
        prefix = ["unshare", "-pf", "--mount-proc", "--kill-child", "setpriv", "--reuid", "65534", "--clear-groups"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        raise Skip("PID namespaces are not permitted")
    return prefix


@situation
def the_end_of_pid_1_does_not_hang_either(times):
    prefix = namespace()
    reader, writer = os.pipe()
    try:
        with Daemon("reads-stdin", prefix=prefix, stdin=reader) as daemon:
            daemon.expect_end(0, seconds=5)
        with Daemon("hangs-at-exit", prefix=prefix) as daemon:
            daemon.expect_end(0, seconds=5)
    finally:
        os.close(reader)
        os.close(writer)


# B3: signals of one's own


@situation
def logrotate_reopens_the_log_of_a_server_that_drains(times):
    with Daemon("reopens-logs") as daemon:
        daemon.wait_for("ready")
        daemon.send(signal.SIGUSR1).wait_for(f"reopened 1 for {os.getpid()}")
        daemon.send(signal.SIGUSR2)
        time.sleep(0.1)
        daemon.send(signal.SIGTERM)
        time.sleep(0.3)
        daemon.send(signal.SIGUSR1).wait_for("reopened 2").send(signal.SIGUSR1).wait_for("reopened 3")
        while daemon.process.poll() is None:
            try:
                daemon.send(signal.SIGUSR1, pause=0.001)
            except ProcessLookupError:
                break
            daemon.read(0)
        daemon.expect_end(0, "drained", "cleaned up")


# B4: start-up


@situation
def a_signal_interrupts_the_start(times):
    with Daemon("starts-slowly") as daemon:
        daemon.wait_for("starting")
        time.sleep(0.2)
        began = time.monotonic()
        daemon.send(signal.SIGTERM).expect_end(0, "cleaned up", "finished: exit code 0")
        expect(time.monotonic() - began < 3, "the start went on")


@situation
def the_daemon_takes_over_what_came_before_it(times):
    with Daemon("captures-early") as daemon:
        daemon.wait_for("captured").send(signal.SIGTERM)
        daemon.expect_end(0, f"SIGTERM from pid {os.getpid()}", "shuts down", "drained", "signals 1, duplicates 0")


# B5: displaced signals


@situation
def a_displaced_signal_is_taken_back(times):
    for moment in ("before", "while-starting", "later"):
        with Daemon(f"handler-{moment}") as daemon:
            daemon.wait_for("ready").wait_for("displaced")
            if moment != "before":
                daemon.wait_for("took it back")
            daemon.send(signal.SIGTERM)
            daemon.expect_end(0, "drained", "cleaned up", seconds=10)


@situation
def a_dispatch_source_takes_a_share_and_the_daemon_is_told_all_the_same(times):
    for moment in ("before", "while-starting", "later"):
        for _ in range(times):
            with Daemon(f"source-{moment}") as daemon:
                daemon.wait_for("ready").wait_for("shares the signal")
                daemon.send(signal.SIGTERM)
                daemon.expect_end(0, "drained", "cleaned up", seconds=10)


@situation
def a_service_group_with_signals_of_its_own(times):
    for _ in range(times):
        with Daemon(path=framework("service-group")) as daemon:
            daemon.wait_for("ready").wait_for("SIGTERM was displaced by other code; took it back, but shares").send(signal.SIGTERM)
            daemon.expect_end(0, "group ended", "drained", "cleaned up")


@situation
def hummingbird_runs_as_a_service_of_its_own(times):
    for _ in range(times):
        with Daemon(path=framework("hummingbird")) as daemon:
            daemon.wait_for("ready").wait_for("SIGTERM was displaced by other code; took it back, but shares").send(signal.SIGTERM)
            daemon.expect_end(0, "server ended", "drained", "cleaned up")


# B6: errors that people see


@situation
def an_error_of_the_body_is_printed(times):
    with Daemon("throws") as daemon:
        daemon.expect_end(1, "body: no database\n")


# B15 to B21


@situation
def adopted_children_die_at_a_forced_exit(times):
    with Daemon("adopts") as daemon:
        daemon.wait_for("ready").send(signal.SIGTERM)
        daemon.expect_end(-signal.SIGTERM, "forced to exit")
        for child in re.findall(r"child (\d+)", daemon.text):
            expect(orphan_is_gone(int(child)), f"{child} lives")


@situation
def the_notification_socket_does_not_go_to_children(times):
    import socket
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(10)
            with Daemon("has-children", env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "9000000"}) as daemon:
                daemon.expect_end(0, "child: .\n")
                expect(listener.recv(4096) == b"READY=1", "no READY=1")


@situation
def a_failed_reload_sets_the_status(times):
    import socket
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(10)
            with Daemon("reloads", "fails", env={"NOTIFY_SOCKET": path}) as daemon:
                daemon.wait_for("ready").send(signal.SIGHUP).wait_for("reload failed")
                said = [listener.recv(4096).decode() for _ in range(3)]
                expect("STATUS=reload failed: no database" in said[2], f"{said}")
                daemon.send(signal.SIGTERM).expect_end(0)


@situation
def the_terminal_is_restored_at_every_end(times):
    with Daemon("restores-terminal") as daemon:
        daemon.wait_for("ready").send(signal.SIGTERM).expect_end(0, "restored")
    with Daemon("restores-terminal", "hang") as daemon:
        daemon.wait_for("ready").send(signal.SIGTERM).expect_end(-signal.SIGTERM, "restored", "forced to exit")
    with Daemon("restores-nothing") as daemon:
        began = time.monotonic()
        daemon.wait_for("ready").send(signal.SIGTERM).expect_end(-signal.SIGTERM)
        expect(time.monotonic() - began < 5, "it waited for the action")


@situation
def the_exit_code_is_the_programs_also_when_it_is_forced(times):
    with Daemon("exits-75") as daemon:
        daemon.expect_end(75)
    with Daemon("exits-75", "hang") as daemon:
        daemon.expect_end(75, "forced to exit")


@situation
def nohup_is_respected_and_told(times):
    need("nohup")
    with Daemon("reloads", prefix=["nohup"]) as daemon:
        daemon.wait_for("left ignored: SIGHUP").wait_for("ready").send(signal.SIGHUP)
        time.sleep(0.3)
        daemon.send(signal.SIGTERM).expect_end(0, "drained", without=["\nreloaded"])


@situation
def parts_end_in_their_order(times):
    with Daemon("has-parts") as daemon:
        daemon.wait_for("ready").send(signal.SIGTERM)
        daemon.expect_end(0, "drained", "cleaned up")
        lines = [line for line in daemon.text.splitlines() if line.startswith("se")]
        wanted = ["server done", "server cleaned up", "search told", "search cleaned up"]
        expect(lines == wanted, f"{lines}")
    with Daemon("has-parts", "alone") as daemon:
        daemon.wait_for("ready").wait_for("search cleaned up")
        expect("draining: SIG" not in daemon.text, daemon.text)
        daemon.send(signal.SIGTERM).expect_end(0, "server done", "drained")


def build(package, directory, product):
    os.utime(os.path.join(package, "Package.swift"))  # or SwiftPM overlooks new files of the library
    command = [swift, "build", "--package-path", package, "--scratch-path", directory, "--product", product]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode != 0:
        sys.exit(built.stdout + built.stderr)
    path = subprocess.run([*command, "--show-bin-path"], capture_output=True, text=True).stdout.strip()
    return os.path.join(os.path.abspath(path), product)


def framework(name):
    if name not in frameworks:
        raise Skip(f"not asked for, by --with {name}")
    return build(os.path.join(here, "frameworks"), scratch + "-frameworks", name)


def main():
    global program, frameworks
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # whatever this script was started with
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=10)
    parser.add_argument("--with", action="append", default=[], dest="frameworks")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    frameworks = options.frameworks
    program = build(here, scratch, "situation")
    passed = failed = skipped = 0
    for function in situations:
        if options.names and function.__name__ not in options.names:
            continue
        name = function.__name__.replace("_", " ")
        began = time.monotonic()
        try:
            function(options.n)
            passed += 1
            print(f"ok      {name} ({time.monotonic() - began:.1f} s)", flush=True)
        except Skip as reason:
            skipped += 1
            print(f"skipped {name}: {reason}", flush=True)
        except Wrong as reason:
            failed += 1
            print(f"FAILED  {name}: {reason}", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


main()
