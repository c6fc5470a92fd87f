"""Where check.py runs a recipe: in a pseudo-terminal with job control, or without a terminal."""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time

DEADLINE = 20


def until(condition, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def default_signals():
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM, signal.SIGTTOU):
        signal.signal(number, signal.SIG_DFL)


def lead_session(command, orders, events):
    """Does the work of a shell for its one job, in the process that leads the session. Never returns."""
    for number in (signal.SIGTTOU, signal.SIGINT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        default_signals()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.close(orders)
        os.close(events)
        os.execvp(command[0], command)

    def hang_up(*_):  # as bash does
        os.killpg(job, signal.SIGHUP)
        os.killpg(job, signal.SIGCONT)

    signal.signal(signal.SIGHUP, hang_up)
    try:
        os.setpgid(job, job)
    except OSError:
        pass  # it has executed its program
    os.set_blocking(orders, False)
    is_stopped = False

    def tell(kind, value):
        os.write(events, json.dumps([kind, value]).encode() + b"\n")

    tell("started", job)
    while True:
        pid, status = os.waitpid(job, os.WNOHANG | os.WUNTRACED)
        if pid and os.WIFSTOPPED(status):
            is_stopped = True
            os.tcsetpgrp(0, os.getpid())
            tell("stopped", os.WSTOPSIG(status))
        elif pid:
            tell(*(("killed", os.WTERMSIG(status)) if os.WIFSIGNALED(status) else ("exited", os.WEXITSTATUS(status))))
            os.set_blocking(orders, True)
            while os.read(orders, 1):
                pass
            os._exit(0)
        try:
            order = os.read(orders, 1)
        except BlockingIOError:
            order = None
        if order == b"":  # the checker is gone
            os.killpg(job, signal.SIGKILL)
            os._exit(1)
        if order == b"f":
            os.tcsetpgrp(0, job)
        if order and is_stopped:  # a job that runs gets no SIGCONT
            is_stopped = False
            os.killpg(job, signal.SIGCONT)
        time.sleep(0.005)


def state(pid):
    """The state letter of a process; "" if there is none."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


class Terminal:
    """A pseudo-terminal with one job, whose shell this script is."""

    def __init__(self, *command, columns=80, rows=24):
        self.output = b""
        self.seen = 0  # what the waits before have found
        self.pending = b""
        orders, self.orders = os.pipe()
        self.events, events = os.pipe()
        self.leader, self.master = pty.fork()
        if self.leader == 0:
            os.close(self.orders)
            os.close(self.events)
            try:
                os.read(orders, 1)  # the window has its size
                lead_session(command, orders, events)
            finally:
                os._exit(127)
        os.close(orders)
        os.close(events)
        self.resize(columns, rows)
        self.original = self.attributes()
        os.write(self.orders, b"s")
        self.job = self.event("started")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in (getattr(self, "job", None), self.leader):
            try:
                if pid:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.waitpid(self.leader, 0)
        self.close()
        os.close(self.orders)
        os.close(self.events)

    def close(self):
        if self.master is not None:
            os.close(self.master)
            self.master = None

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def attributes(self):
        return termios.tcgetattr(self.master)

    def is_restored(self):
        return self.attributes() == self.original

    def press(self, keys):
        os.write(self.master, keys)

    def order(self, name):
        os.write(self.orders, name[:1].encode())

    def kill(self, number):
        os.kill(self.job, number)

    def read(self, seconds=0.0):
        sources = [self.events] + ([self.master] if self.master is not None else [])
        ready, _, _ = select.select(sources, [], [], seconds)
        if self.master in ready:
            try:
                self.output += os.read(self.master, 65536)
            except OSError:
                return False  # no process has it open any more
        if self.events in ready:
            self.pending += os.read(self.events, 4096)
        return bool(ready)

    def wait_for(self, what, seconds=DEADLINE):
        """Whether the text comes, after what the waits before have found. `what` may be a condition."""
        end = time.monotonic() + seconds
        while True:
            if callable(what):
                if what():
                    return True
            elif what in self.output[self.seen:]:
                self.seen = self.output.index(what, self.seen) + len(what)
                return True
            if time.monotonic() > end:
                return False
            self.read(0.02)

    def event(self, kind, seconds=DEADLINE):
        """The value of the next event, which should be of this kind; otherwise the event. All output before it is read."""
        end = time.monotonic() + seconds
        while b"\n" not in self.pending:
            if time.monotonic() > end:
                return f"none within {seconds} s"
            self.read(0.02)
        line, self.pending = self.pending.split(b"\n", 1)
        while self.master is not None and select.select([self.master], [], [], 0)[0] and self.read():
            pass
        got, value = json.loads(line)
        return value if got == kind else [got, value]

    def is_on(self, on, off):
        return self.output.rfind(on) > self.output.rfind(off)

    def has_alternate_screen(self):
        return self.is_on(b"\x1b[?1049h", b"\x1b[?1049l")

    def has_hidden_cursor(self):
        return self.is_on(b"\x1b[?25l", b"\x1b[?25h")


class Process:
    """A process without a terminal, in a group of its own, and what it has printed."""

    def __init__(self, *command):
        self.file = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.file, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=default_signals)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.file.close()

    @property
    def text(self):
        return os.pread(self.file.fileno(), 1 << 20, 0).decode(errors="replace")

    def says(self, text, times=1):
        return until(lambda: self.text.count(text) >= times or self.process.poll() is not None) and \
            self.text.count(text) >= times

    def catches(self, number):
        """Until the process has a handler for the signal (Linux)."""
        def has_handler():
            try:
                with open(f"/proc/{self.process.pid}/status") as status:
                    caught = next(line for line in status if line.startswith("SigCgt"))
                return int(caught.split()[1], 16) >> (number - 1) & 1
            except OSError:
                return True
        return until(has_handler)

    def send(self, number):
        self.process.send_signal(number)

    def end(self, seconds=DEADLINE):
        """The status: negative for a signal; None if it goes on."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
