#!/usr/bin/env python3
"""Runs the recipes of this package, each as a process of its own: in a pseudo-terminal where the terminal matters.

check.py DIRECTORY [RECIPE…]   where `swift build --build-tests` has built them. A line for each check; the exit status is 1
if one failed. Keys go through the terminal: Ctrl-C is the byte 3. Nothing waits for a fixed time, and nothing for ever.
"""
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time

sys.dont_write_bytecode = True
from terminal import DEADLINE, Process, Terminal, state, until  # noqa: E402

here = os.path.dirname(os.path.abspath(__file__))
directory = None
recipes = []
passed = failed = 0
CLEAR = b"\r\x1b[K"


def recipe(function):
    recipes.append(function)
    return function


def check(what, condition, shown=""):
    global passed, failed
    if condition:
        passed += 1
        print(f"ok {what}", flush=True)
    else:
        failed += 1
        print(f"FAIL {what}: {shown!r}", flush=True)


def path(name):
    return os.path.join(directory, name)


# A tool


def books(work):
    return [name for name in os.listdir(work) if name.startswith("tool-")]


@recipe
def tool():
    with tempfile.TemporaryDirectory() as work:
        os.environ["TMPDIR"] = work
        try:
            check_tool(work)
        finally:
            del os.environ["TMPDIR"]


def check_tool(work):
    book = os.path.join(work, "book")

    with Terminal(path("tool"), "--pages", "5", "--pace", "10", book) as terminal:
        check("tool: ends with 0", terminal.event("exited") == 0, terminal.output)
        check("tool: shows how far it is", b"5 of 5 pages" in terminal.output, terminal.output)
        check("tool: clears its line", terminal.output.endswith(CLEAR), terminal.output)
        with open(book) as file:
            check("tool: writes its file", file.read() == "".join(f"page {n}\n" for n in range(5)))
        check("tool: removes its temporary directory", not books(work))
    os.remove(book)

    with Terminal(path("tool"), "--pages", "10000", "--pace", "20", book) as terminal:
        check("tool: works", terminal.wait_for(b"3 of 10000 pages"), terminal.output)
        check("tool: has a temporary directory", len(books(work)) == 1)
        terminal.resize(9, 24)
        narrow = lambda: len(terminal.output.split(CLEAR)[-2]) == 8
        check("tool, window of 9 columns: shows 8 characters", terminal.wait_for(narrow), terminal.output[-200:])
        terminal.resize(80, 24)
        check("tool, wide again: shows the line", terminal.wait_for(b" of 10000 pages"), terminal.output[-200:])
        for _ in range(3):
            terminal.press(b"\x1a")
            check("tool, Ctrl-Z: stops by SIGTSTP", terminal.event("stopped") == signal.SIGTSTP, terminal.output[-200:])
            check("tool, Ctrl-Z: has cleared its line", terminal.output.endswith(CLEAR), terminal.output[-200:])
            terminal.seen = len(terminal.output)
            terminal.order("fg")
            check("tool, fg: shows the line", terminal.wait_for(b" of 10000 pages"), terminal.output[-200:])
        terminal.press(b"\x1a")
        terminal.event("stopped")
        while terminal.read():
            pass
        terminal.seen = len(terminal.output)
        before = len(os.listdir(os.path.join(work, books(work)[0])))
        terminal.order("bg")
        grown = lambda: len(os.listdir(os.path.join(work, books(work)[0]))) > before + 5
        check("tool, bg: works on", until(grown))
        while terminal.read():
            pass
        check("tool, bg: shows nothing", terminal.output[terminal.seen:] == b"", terminal.output[terminal.seen:])
        terminal.order("fg")
        check("tool, fg after bg: shows the line", terminal.wait_for(b" of 10000 pages"), terminal.output[-200:])
        terminal.press(b"\x03")
        check("tool, Ctrl-C: dies by SIGINT", terminal.event("killed") == signal.SIGINT, terminal.output[-200:])
        check("tool, Ctrl-C: clears its line", terminal.output.endswith(CLEAR), terminal.output[-200:])
        check("tool, Ctrl-C: removes its temporary directory", not books(work))
        check("tool, Ctrl-C: writes no file", not os.path.exists(book))

    with Terminal(path("tool"), "--pages", "2", "--pace", "60000", book) as terminal:
        check("tool, a page that takes a minute: shows the line", terminal.wait_for(b"0 of 2 pages"), terminal.output)
        terminal.resize(9, 24)
        check("tool, window of 9 columns meanwhile: shows 8 characters", terminal.wait_for(CLEAR + b"0 of 2 p"))
        terminal.press(b"\x1a")
        terminal.event("stopped")
        terminal.seen = len(terminal.output)
        terminal.order("fg")
        check("tool, fg meanwhile: shows the line", terminal.wait_for(b"0 of 2 p"), terminal.output)
        terminal.press(b"\x03")
        terminal.wait_for(b"^C")
        check("tool, Ctrl-C meanwhile: waits", not until(lambda: not books(work), 0.3))
        began = time.monotonic()
        terminal.press(b"\x03")
        check("tool, second Ctrl-C: dies by SIGINT", terminal.event("killed") == signal.SIGINT, terminal.output)
        check("tool, second Ctrl-C: at once", time.monotonic() - began < 1.9, time.monotonic() - began)
        check("tool, second Ctrl-C: removes its temporary directory", not books(work))

    for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "closed terminal")):
        with Terminal(path("tool"), "--pages", "10000", book) as terminal:
            terminal.wait_for(b"2 of 10000 pages")
            if number == signal.SIGTERM:
                terminal.kill(number)
            else:
                terminal.close()
            check(f"tool, {name}: ends with {128 + number}", terminal.event("exited") == 128 + number)
            check(f"tool, {name}: removes its temporary directory", not books(work))

    if shutil.which("bash"):
        script = f"{path('tool')} --pages 10000 {book}; echo went on"
        with Terminal("bash", "-c", script) as terminal:
            terminal.wait_for(b"2 of 10000 pages")
            terminal.press(b"\x03")
            check("tool, Ctrl-C in a script: the script ends", terminal.event("killed") == signal.SIGINT)
            check("tool, Ctrl-C in a script: does not go on", b"went on" not in terminal.output, terminal.output[-200:])
        with Terminal("bash", "--norc", "--noprofile", "-i") as terminal:
            terminal.press(f"{path('tool')} --pages 10000 {book}\n".encode())
            terminal.wait_for(b"2 of 10000 pages")
            terminal.press(b"\x1a")
            check("tool, Ctrl-Z in bash: bash says so", terminal.wait_for(b"Stopped"), terminal.output[-200:])
            terminal.press(b"fg\n")
            check("tool, fg in bash: shows the line", terminal.wait_for(b" of 10000 pages"), terminal.output[-200:])
            terminal.press(b"\x03")
            check("tool, Ctrl-C in bash: removes its temporary directory", until(lambda: not books(work)))
            terminal.press(b"echo status $?\n")
            check("tool, Ctrl-C in bash: status 130", terminal.wait_for(b"status 130"), terminal.output[-200:])

    def run(*arguments):
        return subprocess.run(
            [path("tool"), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            start_new_session=True)
    done = run("--pages", "2", book)
    check("tool without a terminal: prints nothing", (done.returncode, done.stdout, done.stderr) == (0, "", ""), done)
    done = run("--pages", "2", book)
    check("tool, ValidationError in the body: ends with 64", done.returncode == 64, done)
    check("tool, ValidationError in the body: prints it", f"Error: {book} exists" in done.stderr, done)
    check("tool, ValidationError in the body: prints the usage", "Usage: tool" in done.stderr, done)
    done = run("--pages", "2", "/nowhere/book")
    check("tool, another error in the body: ends with 1", done.returncode == 1, done)
    check("tool, another error in the body: prints it", "Error: " in done.stderr and "Usage" not in done.stderr, done)
    check("tool, another error in the body: removes its temporary directory", not books(work))
    check("tool, a wrong option: ends with 64", run("--pages", "x", book).returncode == 64)


# A full-screen program


def is_entered(terminal):
    return terminal.has_alternate_screen() and terminal.has_hidden_cursor() and not terminal.is_restored()


def check_left(terminal, what):
    check(f"fullscreen, {what}: leaves the alternate screen", not terminal.has_alternate_screen(), terminal.output)
    check(f"fullscreen, {what}: shows the cursor", not terminal.has_hidden_cursor(), terminal.output)
    check(f"fullscreen, {what}: restores the attributes", terminal.is_restored(), terminal.attributes())


def start_fullscreen(text=b"press q"):
    terminal = Terminal(path("fullscreen"))
    check("fullscreen: fills the terminal", terminal.wait_for(text) and is_entered(terminal), terminal.output)
    return terminal


@recipe
def fullscreen():
    with start_fullscreen() as terminal:
        check("fullscreen: knows the size", b"80 columns, 24 rows" in terminal.output, terminal.output)
        terminal.press(b"x")
        check("fullscreen: reads each key at once", terminal.wait_for(b"key 120"), terminal.output)
        terminal.resize(100, 30)
        check("fullscreen, resize: draws again", terminal.wait_for(b"100 columns, 30 rows: key 120"), terminal.output)
        for _ in range(3):
            terminal.press(b"\x1a")
            check("fullscreen, Ctrl-Z: stops by SIGTSTP", terminal.event("stopped") == signal.SIGTSTP, terminal.output)
            check_left(terminal, "Ctrl-Z")
            terminal.seen = len(terminal.output)
            terminal.order("fg")
            check("fullscreen, fg: draws again", terminal.wait_for(b"key 120") and is_entered(terminal), terminal.output)

        terminal.press(b"\x1a")
        terminal.event("stopped")
        terminal.order("bg")
        check("fullscreen, bg: runs", until(lambda: state(terminal.job) != "T"), state(terminal.job))
        terminal.wait_for(lambda: False, 0.5)  # five times what it needs to come back
        check_left(terminal, "bg")
        terminal.seen = len(terminal.output)
        terminal.order("fg")
        check("fullscreen, fg after bg: draws again", terminal.wait_for(b"key 120") and is_entered(terminal), terminal.output)

        terminal.kill(signal.SIGSTOP)
        check("fullscreen, kill -STOP: stops", terminal.event("stopped") == signal.SIGSTOP)
        termios.tcsetattr(terminal.master, termios.TCSANOW, terminal.original)  # as a shell does
        terminal.seen = len(terminal.output)
        terminal.order("fg")
        check("fullscreen, fg after -STOP: draws again", terminal.wait_for(b"key 120") and is_entered(terminal), terminal.output)

        terminal.press(b"\x03")
        check("fullscreen, Ctrl-C: dies by SIGINT", terminal.event("killed") == signal.SIGINT, terminal.output)
        check_left(terminal, "Ctrl-C")

    with start_fullscreen() as terminal:
        terminal.press(b"q")
        check("fullscreen, q: ends with 0", terminal.event("exited") == 0, terminal.output)
        check_left(terminal, "q")

    with start_fullscreen() as terminal:
        terminal.kill(signal.SIGTERM)
        check("fullscreen, SIGTERM: ends with 0", terminal.event("exited") == 0, terminal.output)
        check_left(terminal, "SIGTERM")

    with start_fullscreen() as terminal:
        terminal.press(b"e")
        check("fullscreen, error: ends with 1", terminal.event("exited") == 1, terminal.output)
        check_left(terminal, "error")
        end = terminal.output[terminal.output.rfind(b"\x1b[?1049l"):]
        check("fullscreen, error: prints it on the normal screen", b"keys: " in end, terminal.output)

    with start_fullscreen() as terminal:  # the keys hang: it does not end by itself
        terminal.press(b"h")
        check("fullscreen: hangs", terminal.wait_for(b"hangs"), terminal.output)
        terminal.press(b"\x03")
        terminal.wait_for(lambda: False, 0.3)  # at once, the kernel would coalesce the two
        check("fullscreen, Ctrl-C while it hangs: waits", is_entered(terminal), terminal.output)
        began = time.monotonic()
        terminal.press(b"\x03")
        check("fullscreen, forced by a second Ctrl-C: dies by SIGINT", terminal.event("killed") == signal.SIGINT, terminal.output)
        check("fullscreen, forced by a second Ctrl-C: at once", time.monotonic() - began < 1.5)
        check_left(terminal, "forced by a second Ctrl-C")

    with start_fullscreen() as terminal:
        terminal.press(b"h")
        terminal.wait_for(b"hangs")
        terminal.kill(signal.SIGTERM)
        check("fullscreen, forced by its deadline: dies by SIGTERM", terminal.event("killed") == signal.SIGTERM, terminal.output)
        check_left(terminal, "forced by its deadline")

    with start_fullscreen() as terminal:
        terminal.close()
        check("fullscreen, closed terminal: ends with 0", terminal.event("exited") == 0, terminal.output)

    wrong = []
    for round in range(20):  # a signal that ends it, and SIGCONT until it has ended
        with Terminal(path("fullscreen")) as terminal:
            terminal.wait_for(b"press q")
            terminal.press(b"\x1a")
            terminal.event("stopped")
            terminal.kill(signal.SIGTERM)
            terminal.order("fg" if round % 2 else "bg")
            end = time.monotonic() + DEADLINE
            while b"\n" not in terminal.pending and time.monotonic() < end and state(terminal.job) not in ("", "Z"):
                terminal.kill(signal.SIGCONT)
                terminal.read(0.001)
            ended = terminal.event("exited")
            if ended != 0 or terminal.has_alternate_screen() or not terminal.is_restored():
                wrong.append((ended, terminal.output))
    check("fullscreen, SIGTERM while stopped: ends with 0, and restores the terminal", not wrong, wrong)

    with Process(path("fullscreen")) as process:
        check("fullscreen without a terminal: ends with 1", process.end() == 1, process.text)


# A pool of children

COUNT = 3
GRANDCHILD = "sleep 3600 & "  # dies with the group
CHILD = GRANDCHILD + "trap 'echo told $$; exit 0' TERM; echo child $$ $!; while :; do sleep 0.05; done"
STUBBORN = GRANDCHILD + "trap '' TERM; echo child $$ $!; while :; do sleep 0.05; done"


def start_pool(seconds, script):
    pool = Process(path("pool"), str(COUNT), str(seconds), "sh", "-c", script)
    check("pool: starts its children", pool.says("child ", COUNT), pool.text)
    return pool


def pids(pool):
    return [int(pid) for line in pool.text.splitlines() if line.startswith("child ") and ":" not in line
            for pid in line.split()[1:]]


def check_gone(pool, what):
    gone = until(lambda: not [pid for pid in pids(pool) if state(pid) not in ("", "Z")], 5)
    check(f"pool, {what}: leaves no process behind", gone, [(pid, state(pid)) for pid in pids(pool)])
    for pid in pids(pool):
        if not gone and state(pid) not in ("", "Z"):
            os.kill(pid, signal.SIGKILL)


@recipe
def pool():
    for number, status in ((signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)):
        name = signal.Signals(number).name
        with start_pool(10, CHILD) as process:
            process.send(number)
            check(f"pool, {name}: ends as its parent expects", process.end() == status, process.text)
            check(f"pool, {name}: tells each child", process.text.count("told") == COUNT, process.text)
            check(f"pool, {name}: knows how they ended", process.text.count("exited") == COUNT, process.text)
            check_gone(process, name)

    with start_pool(1, STUBBORN) as process:
        process.send(signal.SIGTERM)
        check("pool, stubborn children: ends with 0", process.end() == 0, process.text)
        check_gone(process, "stubborn children")

    with start_pool(3600, STUBBORN) as process:
        process.send(signal.SIGTERM)
        time.sleep(0.7)  # past the duplicate window: another request
        process.send(signal.SIGTERM)
        check("pool, forced end: dies by SIGTERM", process.end() == -signal.SIGTERM, process.text)
        check_gone(process, "forced end")

    with start_pool(10, CHILD) as process:
        os.kill(pids(process)[0], signal.SIGKILL)
        check("pool, a child dies: starts another", process.says("child ", COUNT + 1), process.text)
        process.send(signal.SIGTERM)
        check("pool, a child has died: ends with 0", process.end() == 0, process.text)
        for pid in pids(process):
            if state(pid) not in ("", "Z"):
                os.kill(pid, signal.SIGKILL)  # the grandchild that the SIGKILL of this check left behind

    with Process(path("pool"), "2", "1", "/nowhere/program") as process:
        check("pool, no such program: ends with 1", process.end() == 1, process.text)
        check("pool, no such program: says so", "child 1: " in process.text, process.text)

    if shutil.which("bash"):  # Ctrl-C reaches the pool alone
        with Terminal(path("pool"), str(COUNT), "10", "bash", "-c", "trap 'echo int $$' INT; " + CHILD) as terminal:
            terminal.wait_for(lambda: terminal.output.count(b"child ") >= COUNT)
            terminal.press(b"\x03")
            check("pool, Ctrl-C: dies by SIGINT", terminal.event("killed") == signal.SIGINT, terminal.output)
            check("pool, Ctrl-C: tells each child", terminal.output.count(b"told") == COUNT, terminal.output)
            check("pool, Ctrl-C: the children get no SIGINT", b"int " not in terminal.output, terminal.output)


# Run loops


@recipe
def runloop():
    for number, status in ((signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)):
        name = signal.Signals(number).name
        with Process(path("runloop")) as process:
            process.catches(number)
            process.send(number)
            check(f"runloop, {name}: ends as its parent expects", process.end() == status, process.text)
            check(f"runloop, {name}: stops on the main thread", "on the main thread: true" in process.text, process.text)
            check(f"runloop, {name}: leaves the run loop", "the run loop is left" in process.text, process.text)


@recipe
def application():
    with Process(path("application")) as process:
        process.catches(signal.SIGTERM)
        process.send(signal.SIGUSR1)
        check("application, SIGUSR1: goes on", process.end(0.3) is None, process.text)
        process.send(signal.SIGTERM)
        check("application, SIGTERM: ends with 0", process.end() == 0, process.text)
        check("application: saves twice", process.text.count("on the main thread: true") == 2, process.text)
    with Process(path("application"), "quit") as process:
        check("application, Quit: ends with 0", process.end() == 0, process.text)
        check("application, Quit: saves", "saved text" in process.text, process.text)
    with Process(path("application"), "hang") as process:
        process.catches(signal.SIGINT)
        time.sleep(0.7)
        process.send(signal.SIGINT)
        time.sleep(0.7)  # past the duplicate window
        process.send(signal.SIGINT)
        check("application whose main thread hangs, second SIGINT: dies by SIGINT",
              process.end() == -signal.SIGINT and "saved" not in process.text, process.text)


# Tests of a user's own


@recipe
def testing():
    scratch = os.path.dirname(os.path.dirname(os.path.abspath(os.path.realpath(directory))))
    with Process(os.environ.get("SWIFT", "swift"), "test", "--skip-build", "--package-path", here,
                 "--scratch-path", scratch) as process:
        status = process.end(120)
        if status is None:  # a test hangs: this ends it, and what runs it
            process.send(signal.SIGINT)
            process.end()
        check("testing: passes", status == 0, process.text)
        check("testing: runs XCTest", "Executed 1 test, with 0 failures" in process.text, process.text)
        check("testing: runs Swift Testing", "Test run with 2 tests in 1 suite passed" in process.text, process.text)


def main():
    global directory
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    directory = os.path.abspath(sys.argv[1])
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans become children of this script
    for function in recipes:
        if not sys.argv[2:] or function.__name__ in sys.argv[2:]:
            function()
    print(f"\n{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
