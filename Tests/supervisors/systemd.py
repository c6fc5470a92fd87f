"""systemd, booted in namespaces from a tree of Debian's, with the unit files of the article."""
import os
import re
import subprocess
import threading
import time

from fixture import Skip, Supervisor, command, expect, wait

here = os.path.dirname(os.path.abspath(__file__))
making = threading.Lock()
# The article's unit file, in which only the times are shorter.
TIMES = """[Service]
Environment=SWIFT_BACKTRACE=enable=no
WatchdogSec=2
TimeoutStopSec=1
"""
# The target that is booted. It refers to the service, so that systemd does not forget how that ended.
TARGET = """[Unit]
Requires=sysinit.target
After=sysinit.target daemon.service
"""


def tree(suite, scratch):
    """The directory of a minimal Debian with systemd. It is made once."""
    path = f"{scratch}-trees/{suite}"
    with making:
        if not os.path.isdir(path):
            made = path + ".new"
            subprocess.run(["rm", "-rf", made])
            os.makedirs(made)
            log = path + ".log"
            print(f"debootstrap makes a tree of {suite}, see {log}", flush=True)
            with open(log, "w") as output:
                mirror = [os.environ["MIRROR"]] if "MIRROR" in os.environ else []
                done = subprocess.run(["debootstrap", "--variant=minbase", "--include=systemd,procps", suite, made, *mirror],
                                      stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            if done.returncode != 0:
                with open(log) as output:
                    raise Skip(f"debootstrap {suite}: {output.read().strip().splitlines()[-1]}")
            open(f"{made}/usr/local/bin/daemon", "w").close()  # what the program is mounted over
            os.rename(made, path)
    return path


def units(article):
    """The article's unit files, by their type."""
    with open(article) as file:
        blocks = re.findall(r"(?m)^    \[Service\]\n(?:    .*\n)+", file.read())
    texts = [re.sub(r"(?m)^    ", "", block) for block in blocks]
    return {re.search("^Type=(.*)$", text, re.M).group(1): text for text in texts}


def cgroups():
    """Where the one hierarchy of cgroup2 is mounted."""
    with open("/proc/self/mounts") as mounts:
        for line in mounts:
            _, directory, kind, *_ = line.split()
            if kind == "cgroup2":
                return directory
    raise Skip("cgroup2 is not mounted")


class Systemd(Supervisor):
    is_booted = True
    tools = "debootstrap", "nsenter", "setpriv"
    product = "systemd"
    reloads_by = "`systemctl reload`"

    def __init__(self, program, scratch, article, release, suite, kind):
        super().__init__(program, scratch)
        self.name = f"systemd {release}, `{kind}`"
        self.release = release
        self.suite = suite
        self.kind = kind
        self.units = units(article)
        self.init = self.cgroup = None

    def set_up(self):
        if os.getuid() != 0:
            raise Skip("only root can boot it")
        root = tree(self.suite, self.scratch)
        os.mkdir(os.path.join(self.directory, "root"))
        self.write("units/daemon.service", self.units[self.kind], 0o644)
        self.write("units/reload.service", self.units["notify-reload"], 0o644)
        self.write("units/daemon.service.d/times.conf", TIMES, 0o644)
        self.write("units/supervised.target", TARGET, 0o644)
        self.cgroup = os.path.join(cgroups(), os.path.basename(self.directory))
        os.mkdir(self.cgroup)
        script = 'echo 0 >"$1/cgroup.procs" && shift && exec unshare --mount --pid --fork --cgroup --uts --ipc --net "$@"'
        with open(os.path.join(self.directory, "boot.log"), "w") as log:
            self.boot = self.spawn(
                "sh", "-c", script, "sh", self.cgroup, "--kill-child", os.path.join(here, "boot.sh"), root,
                os.path.join(self.directory, "root"), self.program, self.orders.directory,
                os.path.join(self.directory, "units"), stdout=log, stderr=log)
        wait(self.find_init, self.boot_log)
        wait(lambda: "supervised.target" in self.systemctl("list-units", "--state=active", status=None), self.boot_log, 60)
        self.version = re.search(r"\(([\d.]+)", self.systemctl("--version")).group(1)
        expect(self.version.startswith(self.release), f"it is systemd {self.version}")
        known = self.systemctl("show", "reload", "--property=Type")
        expect(known == ("Type=notify-reload" if self.release >= "253" else "Type=simple"), f"notify-reload is {known}")

    def boot_log(self):
        with open(os.path.join(self.directory, "boot.log")) as log:
            return log.read()

    def find_init(self):
        expect(self.boot.poll() is None, self.boot_log())
        with open(f"/proc/{self.boot.pid}/task/{self.boot.pid}/children") as file:
            children = file.read().split()
        if not children or os.readlink(f"/proc/{children[0]}/exe").rsplit("/", 1)[1] != "systemd":
            return False
        self.init = children[0]
        return True

    def close(self):
        """The end of the namespace's PID 1 is the end of all that is in it."""
        super().close()
        for directory, _, _ in os.walk(self.cgroup or "", topdown=False):
            wait(lambda: removed(directory), f"{directory} is empty")

    def inside(self, *arguments):
        return ["nsenter", f"--target={self.init}", "-m", "-p", "-C", "-u", "-i", "-n", "-r", "-w", "env", "-i",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *arguments]

    def systemctl(self, *arguments, status=0):
        return command(*self.inside("systemctl", *arguments), status=status)

    def begin(self, *arguments):
        return self.spawn(*self.inside("systemctl", *arguments))

    def show(self, *names):
        """The unit's properties, in this order."""
        lines = self.systemctl("show", "daemon", *(f"--property={name}" for name in names)).splitlines()
        values = dict(line.split("=", 1) for line in lines)
        return [values[name] for name in names]

    def wait_for(self, seconds=30, **wanted):
        wait(lambda: self.show(*wanted) == list(wanted.values()), lambda: f"{wanted}, not {self.show(*wanted)}", seconds)

    def journal(self):
        return command(*self.inside("journalctl", "--no-pager", "--unit=daemon", "--output=cat"))

    def launch(self):
        self.systemctl("reset-failed", "daemon", status=None)
        self.systemctl("start", "daemon")

    def ask_reload(self):
        self.systemctl("reload", "daemon")

    def start(self):
        self.orders.give("hold-start")
        self.starting = self.begin("start", "daemon")
        self.orders.wait_for("\npid ")
        self.wait_for(ActiveState="activating")
        return "`systemctl start`; `activating`"

    def ready(self):
        expect(self.starting.poll() is None, "systemctl start did not wait")
        self.orders.take("hold-start")
        expect(self.starting.wait(30) == 0, "systemctl start failed")
        self.wait_for(ActiveState="active")
        return "`systemctl start` waits for `READY=1`; `active`"

    def reload(self):
        self.orders.give("hold-reload")
        reloading = self.begin("reload", "daemon")
        self.orders.wait_for("\nreloading\n")
        self.wait_for(ActiveState="reloading")
        self.orders.take("hold-reload")
        self.orders.wait_for("\nreloaded\n")
        expect(reloading.wait(30) == 0, "systemctl reload failed")
        self.wait_for(ActiveState="active")
        how = "waits for the end" if self.waits_for_a_late_reload() else "may return before that begins"
        return f"`systemctl reload` {how}; `reloading`, then `active`"

    def waits_for_a_late_reload(self):
        """`kill` leaves a daemon stopped; systemd itself continues it, as it signals it."""
        self.orders.give("hold-reload")
        self.systemctl("kill", "--signal=STOP", "daemon")
        reloading = self.begin("reload", "daemon")
        try:
            waits = reloading.wait(1) != 0
        except subprocess.TimeoutExpired:
            waits = True
        self.orders.take("hold-reload")
        self.systemctl("kill", "--signal=CONT", "daemon")
        expect(reloading.wait(30) == 0, "systemctl reload failed")
        self.orders.wait_for("\nreloaded\n", 2)
        self.wait_for(ActiveState="active")
        return waits

    def failing_reload(self):
        super().failing_reload()
        self.wait_for(ActiveState="active", StatusText="reload failed: the configuration is broken")
        return "`systemctl reload` succeeds, `systemctl status` has the error; `active`"

    def stop(self):
        self.systemctl("stop", "daemon")
        expect("draining: SIGTERM" in self.orders.log, self.orders.log)
        self.wait_for(ActiveState="inactive", Result="success", ExecMainCode="1", ExecMainStatus="0")
        return "SIGTERM, exit code 0; `success`"

    def stuck_stop(self):
        self.restart("hold-stop", "slow")
        began = time.monotonic()
        self.systemctl("stop", "daemon")
        expect(time.monotonic() - began > 2.5, "systemd did not give the time that the daemon asked for")
        self.wait_for(ActiveState="inactive", Result="success", ExecMainCode="2", ExecMainStatus="15")
        return "dies by SIGTERM, `success`, although that took longer than `TimeoutStopSec=`"

    def kill(self):
        self.stop_without_end()
        time.sleep(2.5)  # more than TimeoutStopSec=
        self.wait_for(ActiveState="deactivating")
        self.systemctl("kill", "--signal=STOP", "daemon")
        self.wait_for(ActiveState="failed", Result="watchdog", ExecMainCode="2", ExecMainStatus="6")
        self.set("WatchdogSec=0")
        self.stop_without_end()
        self.systemctl("kill", "--signal=STOP", "daemon")
        began = time.monotonic()
        self.wait_for(ActiveState="failed", Result="timeout", ExecMainCode="2", ExecMainStatus="9")
        expect(7 < time.monotonic() - began < 13, "it was not ten seconds after the last datagram")
        self.set("")
        return ("waits on, as the daemon asks; if that no longer runs: SIGABRT after `WatchdogSec=`, or SIGKILL 10 s after its "
                "last datagram")

    def stop_without_end(self):
        self.restart("hold-stop", "patient")
        self.begin("stop", "daemon")
        self.orders.wait_for("draining: SIGTERM")

    def set(self, line):
        """Sets one more line of the unit's section [Service], or none."""
        path = "/run/systemd/system/daemon.service.d/zz.conf"
        command(*self.inside("sh", "-c", f'printf "[Service]\n%s\n" "$1" >{path}', "sh", line))
        self.systemctl("daemon-reload")

    def watchdog(self):
        self.restart()
        self.orders.give("hold-check")
        self.orders.wait_for("\nready\n", 2)
        said = self.journal()
        expect("Watchdog timeout" in said and "6/ABRT" in said and "Failed with result 'watchdog'" in said, said)
        self.orders.take("hold-check")
        return "SIGABRT after `WatchdogSec=`, `watchdog`; starts again"

    def exit_status(self):
        self.systemctl("stop", "daemon")
        self.restart()
        self.systemctl("kill", "--signal=USR2", "daemon")
        self.orders.wait_for("\nready\n", 2)
        said = self.journal()
        found = re.search(r"status=75/\w+", said)
        expect(found and "Failed with result 'exit-code'" in said, said)
        self.set("RestartPreventExitStatus=75")
        self.systemctl("kill", "--signal=USR2", "daemon")
        self.wait_for(ActiveState="failed", Result="exit-code", ExecMainCode="1", ExecMainStatus="75")
        return f"`{found.group()}`, `exit-code`; starts again, or with `RestartPreventExitStatus=75` not"


def removed(directory):
    try:
        os.rmdir(directory)
        return True
    except OSError:
        return False


def boots(program, scratch, article):
    return [
        Systemd(program, scratch, article, "257", "trixie", "notify-reload"),
        Systemd(program, scratch, article, "257", "trixie", "notify"),
        Systemd(program, scratch, article, "252", "bookworm", "notify"),
    ]
