"""Launchers that start a daemon and do not keep it running: inits of containers, tmux, nohup, setsid, timeout."""
import os
import pty
import signal
import subprocess

from fixture import Supervisor, command, expect, package_version, wait


def ignores(pid, number):
    with open(f"/proc/{pid}/status") as status:
        ignored = [line.split()[1] for line in status if line.startswith("SigIgn")]
    return int(ignored[0], 16) >> number - 1 & 1


class Launcher(Supervisor):
    """The daemon is a child of this script, or its child's child; the exit status is what this script sees."""
    reloads_by = "SIGHUP"

    def launch(self):
        self.process = self.spawn(*self.prefix(), self.program, start_new_session=True)

    def prefix(self):
        raise NotImplementedError

    def send(self, number):
        os.kill(self.receiver(), number)

    def receiver(self):
        """The pid to which signals go."""
        return self.process.pid

    def ask_reload(self):
        self.send(signal.SIGHUP)

    def ended(self):
        self.process.wait(30)
        status = self.process.returncode
        return f"dies by {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"

    def start(self):
        self.restart()
        return "runs"

    def stop(self):
        self.send(signal.SIGTERM)
        status = self.ended()
        expect("SIGTERM" in self.orders.log and "finished: exit code 0" in self.orders.log, self.orders.log)
        return f"SIGTERM: {status}"

    def stuck_stop(self):
        self.restart("hold-stop")
        self.send(signal.SIGTERM)
        status = self.ended()
        expect("forced to exit" in self.orders.log, self.orders.log)
        return status

    def exit_status(self):
        self.restart()
        self.send(signal.SIGUSR2)
        return self.ended()


class ContainerInit(Launcher):
    """In a PID namespace, as in a container."""
    reloads_by = "forwards SIGHUP"

    def prefix(self):
        return "unshare", "-pf", "--mount-proc", "--kill-child", *self.init

    def receiver(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            return int(file.read().split()[0])

    def start(self):
        self.restart()
        with open(f"/proc/{self.receiver()}/status") as status:
            pids = [line.split() for line in status if line.startswith("NSpid:")][0]
        expect(pids[-1] == "1" and self.orders.pid > 1, f"{pids}, {self.orders.log}")
        return "is PID 1, starts the daemon"


class Tini(ContainerInit):
    name = "tini"
    tools = "tini",
    init = "tini", "--"

    def set_up(self):
        self.version = package_version("tini")


class DumbInit(ContainerInit):
    name = "dumb-init"
    tools = "dumb-init",
    init = "dumb-init", "--"

    def set_up(self):
        self.version = package_version("dumb-init")


class SignalInit(ContainerInit):
    name = "`SignalInit`"
    is_ours = True
    init = ()


class Tmux(Launcher):
    name = "tmux"
    tools = "tmux",
    servers = 0
    reloads_by = "SIGHUP of a process"

    def set_up(self):
        self.version = package_version("tmux")
        self.configuration = self.write("tmux.conf", "set-option -g remain-on-exit on\n")
        self.environment["TMUX_TMPDIR"] = self.directory
        self.environment.pop("TMUX", None)

    def tmux(self, *arguments, status=0):
        return command("tmux", "-L", f"server{self.servers}", "-f", self.configuration, *arguments, env=self.environment,
                       status=status)

    def launch(self):
        self.close()
        self.servers += 1  # the last one may still be ending
        self.tmux("new-session", "-d", f"exec {self.program}")

    def close(self):
        self.tmux("kill-server", status=None)

    def receiver(self):
        return int(self.tmux("display-message", "-p", "#{pane_pid}"))

    def ended(self):
        def said():
            self.tmux("run-shell", "true")  # tmux 3.3 may overlook the end of a child, and waits for all at that of the next
            return self.tmux("display-message", "-p", "#{pane_dead_status}/#{pane_dead_signal}")

        wait(lambda: said() != "/", lambda: self.orders.log)
        status, number = said().split("/")
        return f"exit code {status}" if status else f"dies by {signal.Signals(int(number)).name}"

    def start(self):
        self.restart()
        return "`new-session`"

    def stop(self):
        self.tmux("send-keys", "C-c")
        status = self.ended()
        expect("draining: SIGINT from the kernel" in self.orders.log, self.orders.log)
        self.restart()
        self.tmux("kill-session")
        self.orders.wait_for("finished: exit code 0")
        expect("SIGHUP" in self.orders.log and "reload" not in self.orders.log, self.orders.log)
        return f"Ctrl-C: SIGINT, {status}; `kill-session`: SIGHUP of the terminal, graceful"


class OnTerminal(Launcher):
    """Its daemon outlives the terminal on which it was started."""

    def close(self):
        super().close()
        if os.path.exists(f"/proc/{self.orders.pid}") and os.readlink(f"/proc/{self.orders.pid}/exe") == self.program:
            os.kill(self.orders.pid, signal.SIGKILL)

    def receiver(self):
        return self.orders.pid

    def start(self):
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.directory)
            os.execvpe(self.prefix()[0], [*self.prefix(), self.program], self.environment)
        self.orders.wait_for("\nready\n")
        os.close(terminal)
        self.send(signal.SIGTERM)
        self.orders.wait_for("\nfinished: exit code 0\n")
        os.waitpid(child, 0)
        expect("draining: SIGTERM" in self.orders.log, self.orders.log)
        self.restart()
        return "outlives its terminal"


class Nohup(OnTerminal):
    ignores_hangup = True
    name = "nohup"
    tools = "nohup",
    product = "coreutils"

    def set_up(self):
        self.version = package_version("coreutils")

    def prefix(self):
        return ("nohup",)

    def reload(self):
        self.orders.wait_for("left ignored: SIGHUP")
        expect(ignores(self.orders.pid, signal.SIGHUP), "SIGHUP is not ignored")
        return "none: SIGHUP stays ignored, as `nohup` asks"

    def failing_reload(self):
        return "-"


class Setsid(OnTerminal):
    name = "`setsid --wait`"
    tools = "setsid",
    product = "util-linux"

    def set_up(self):
        self.version = package_version("util-linux")

    def prefix(self):
        return "setsid", "--wait"


class Timeout(Launcher):
    name = "timeout"
    tools = "timeout",
    product = "coreutils"
    reloads_by = "passes the first SIGHUP on, twice, and ignores the next ones"
    options = ("60",)

    def set_up(self):
        self.version = package_version("coreutils")

    def prefix(self):
        return "timeout", *self.options

    def start(self):
        self.restart()
        return "runs"

    def failing_reload(self):
        expect(ignores(self.process.pid, signal.SIGHUP), "timeout does not ignore SIGHUP")
        self.send(signal.SIGKILL)
        self.process.wait()
        os.kill(self.orders.pid, signal.SIGTERM)
        self.orders.wait_for("finished")
        self.restart()
        return super().failing_reload()

    def end(self):
        self.orders.wait_for("draining: SIGTERM")
        status = self.ended()
        expect("escalates" not in self.orders.log, self.orders.log)
        return status

    def stop(self):
        self.send(signal.SIGTERM)
        self.ended()
        self.options = ("2",)
        self.restart()
        return f"SIGTERM, once or twice: one request; {self.end()}"

    def stuck_stop(self):
        self.restart("hold-stop")
        return self.end()

    def kill(self):
        self.options = ("-k", "1", "2")
        self.restart("hold-stop", "patient")
        return f"with `-k`: {self.end()}"

    def exit_status(self):
        self.options = ("60",)
        self.restart()
        os.kill(self.orders.pid, signal.SIGUSR2)
        return self.ended()


inits = [Tini, DumbInit, SignalInit]
launchers = [Tmux, Nohup, Setsid, Timeout]
