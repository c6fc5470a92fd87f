"""Shared by the tests of every supervisor: the daemon's directory, commands, and waiting with a deadline."""
import json
import os
import re
import shutil
import subprocess
import time


class Wrong(Exception):
    pass


class Skip(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Wrong(what)


def wait(condition, what, seconds=30):
    """Polls; returns what the condition returned."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Wrong(f"waited in vain: {what() if callable(what) else what}")
        time.sleep(0.02)


def remove(directory):
    """Removes it, although what is ending may still write to it."""
    def is_gone():
        shutil.rmtree(directory, ignore_errors=True)
        return not os.path.exists(directory)

    wait(is_gone, f"{directory} is empty")


def need(*names):
    for name in names:
        if shutil.which(name) is None:
            raise Skip(f"{name} is not here")


def command(*arguments, status=0, env=None):
    """Runs a command to its end; returns what it printed."""
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=env, timeout=60)
    expect(status is None or done.returncode == status, f"{arguments} ended with {done.returncode}: {done.stdout}")
    return done.stdout.strip()


def package_version(package):
    """The upstream version of an installed package of Debian, or None."""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return done.stdout.split(":")[-1].split("-")[0].split("+")[0] if done.returncode == 0 and done.stdout else None


class Orders:
    """The daemon's directory: what it is to do, and what it did."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def give(self, *names):
        for name in names:
            open(self.path(name), "w").close()

    def take(self, *names):
        for name in names:
            os.remove(self.path(name))

    def clear(self):
        for name in os.listdir(self.directory):
            os.remove(self.path(name))

    @property
    def log(self):
        """The lines of the daemon, each after a line break."""
        try:
            with open(self.path("log")) as file:
                return "\n" + file.read()
        except FileNotFoundError:
            return ""

    def count(self, text):
        return self.log.count(text)

    def wait_for(self, text, times=1, seconds=30):
        wait(lambda: self.count(text) >= times, lambda: f"“{text}” {times} times in {self.log!r}", seconds)

    @property
    def pid(self):
        """The daemon's last line."""
        return int(self.log.rsplit("\npid ", 1)[1].split()[0])


class Supervisor:
    """A column of the table. Each row is a method, in the order of ROWS; it returns the cell. "-": no notion of it."""
    name = version = None
    product = None  # whose version it is, if that is not the name
    tools = ()
    is_booted = False
    is_ours = False  # a part of this package
    ignores_hangup = False
    reloads_by = None  # the words for how a reload is asked for

    def __init__(self, program, scratch):
        self.program = program
        self.scratch = scratch
        self.processes = []

    def prepare(self, directory):
        """Throws Skip if it cannot be run here; what this started is for `close`."""
        self.directory = directory
        self.orders = Orders(os.path.join(directory, "orders"))
        self.environment = {**os.environ, "SUPERVISED": self.orders.directory, "SWIFT_BACKTRACE": "enable=no"}
        self.set_up()

    def set_up(self):
        pass

    def spawn(self, *arguments, **options):
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, env=self.environment, **{
            "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options})
        self.processes.append(process)
        return process

    def close(self, seconds=0):
        """Waits for the end of each spawned process, for so long, and then kills it."""
        for process in self.processes:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def write(self, name, text, mode=0o755):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def restart(self, *orders):
        """Another daemon, after the last one has ended, that has these orders from the beginning."""
        self.orders.clear()
        self.orders.give(*orders)
        self.launch()
        self.orders.wait_for("\nready\n")

    def launch(self):
        raise NotImplementedError

    def ask_reload(self):
        raise NotImplementedError

    def inspect(self):
        """The program `signals` sees that the daemon would take a SIGTERM, and what the supervisor left ignored."""
        pid = self.orders.pid
        for found in filter(str.isdigit, os.listdir("/proc")):  # it may be in a PID namespace of its own
            try:
                with open(f"/proc/{found}/environ", "rb") as environment, open(f"/proc/{found}/status") as status:
                    if (f"SUPERVISED={self.orders.directory}".encode() in environment.read().split(b"\0")
                            and re.search(r"^NSpid:.*\t(\d+)$", status.read(), re.M).group(1) == str(self.orders.pid)):
                        pid = int(found)
            except (OSError, AttributeError):
                pass
        tool = os.path.join(os.path.dirname(self.program), "signals")
        said = subprocess.run([tool, "inspect", "--json", str(pid)], capture_output=True, text=True)
        expect(said.returncode == 0, said.stderr)
        seen = json.loads(said.stdout)
        expect(seen["verdict"]["outcome"] == "handled" and "SIGTERM" in seen["caught"], said.stdout)
        expect(("SIGHUP" in seen["ignored"]) == self.ignores_hangup, said.stdout)

    def start(self):
        return "-"

    def ready(self):
        return "-"

    def reload(self):
        self.ask_reload()
        self.orders.wait_for("\nreloaded\n")
        return self.reloads_by

    def failing_reload(self):
        self.orders.give("broken")
        self.ask_reload()
        self.orders.wait_for("reload failed, nothing has changed: the configuration is broken")
        self.orders.take("broken")
        return "the daemon goes on; nobody is told"

    def stop(self):
        return "-"

    def stuck_stop(self):
        return "-"

    def kill(self):
        return "-"

    def watchdog(self):
        return "-"

    def exit_status(self):
        return "-"
