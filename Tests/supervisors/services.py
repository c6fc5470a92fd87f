"""Supervisors that keep a daemon running, and need no booted system: s6, runit, daemontools, supervisord."""
import os
import signal
import subprocess
import sys

from fixture import Skip, Supervisor, command, expect, package_version, wait


class S6(Supervisor):
    name = "s6"
    tools = "s6-supervise", "s6-svc", "s6-svstat", "s6-svwait"
    reloads_by = "`s6-svc -h`"

    def set_up(self):
        self.version = package_version("s6")
        self.write("service/run", f"#!/bin/sh\nREADINESS_FD=3 exec {self.program}\n")
        self.write("service/finish", '#!/bin/sh\necho "$1 $2" >finished\n')
        self.write("service/notification-fd", "3\n")
        self.write("service/timeout-kill", "2000\n")
        self.write("service/down", "")
        self.service = os.path.join(self.directory, "service")
        self.spawn("s6-supervise", self.service)
        wait(lambda: os.path.exists(self.service + "/supervise/status"), "s6-supervise runs")

    def close(self):
        subprocess.run(["s6-svc", "-dkx", self.service], stderr=subprocess.DEVNULL)
        super().close(10)

    def status(self, *fields):
        return command("s6-svstat", "-o", ",".join(fields), self.service)

    def launch(self):
        command("s6-svc", "-u", self.service)

    def end(self, *options):
        """Stops the service; returns what `finish` was told."""
        command("s6-svc", "-wD", "-T", "30000", *options, self.service)
        with open(self.service + "/finished") as file:
            return file.read().strip()

    def ask_reload(self):
        command("s6-svc", "-h", self.service)

    def start(self):
        self.orders.give("hold-start")
        self.launch()
        self.orders.wait_for("\npid ")
        wait(lambda: self.status("up", "ready") == "true false", lambda: self.status("up", "ready"))
        return "`s6-svc -u`"

    def ready(self):
        waiting = self.spawn("s6-svwait", "-U", "-t", "30000", self.service)
        expect(waiting.poll() is None, "s6-svwait did not wait")
        self.orders.take("hold-start")
        expect(waiting.wait() == 0, "s6-svwait -U failed")
        wait(lambda: self.status("up", "ready") == "true true", lambda: self.status("up", "ready"))
        return "`s6-svwait -U` waits for the line on `notification-fd`"

    def stop(self):
        told = self.end("-d")
        expect("shuts down" in self.orders.log and "SIGTERM" in self.orders.log, self.orders.log)
        expect(self.status("exitcode") == "0" and told == "0 0", told)
        return "`s6-svc -d`: SIGTERM, exit code 0"

    def stuck_stop(self):
        self.restart("hold-stop")
        told = self.end("-d")
        return f"dies by {self.status('signal')}; `finish {told}`"

    def kill(self):
        self.restart("hold-stop", "patient")
        told = self.end("-d")
        expect(self.status("signal") == "SIGKILL", told)
        return f"SIGKILL after `timeout-kill`; `finish {told}`"

    def exit_status(self):
        self.restart()
        os.remove(self.service + "/finished")
        before = self.status("pid")
        command("s6-svc", "-2", self.service)
        wait(lambda: self.status("pid") not in (before, "-1"), "a restart")
        with open(self.service + "/finished") as file:
            told = file.read().strip()
        expect(told == "75 0", told)
        return f"`finish {told}`; starts again"


class Runit(Supervisor):
    name = "runit"
    tools = "runsv", "sv"
    reloads_by = "`sv hup`"

    def set_up(self):
        self.version = package_version("runit")
        self.write("service/run", f"#!/bin/sh\nexec {self.program}\n")
        self.write("service/finish", '#!/bin/sh\necho "$1 $2" >finished\n')
        self.write("service/check", f"#!/bin/sh\ngrep -q '^ready' {self.orders.path('log')}\n")
        self.write("service/down", "")
        self.service = os.path.join(self.directory, "service")
        self.spawn("runsv", self.service)
        wait(lambda: "down: " in command("sv", "status", self.service, status=None), "runsv runs")

    def close(self):
        subprocess.run(["sv", "-w", "1", "force-shutdown", self.service], stdout=subprocess.DEVNULL)
        super().close(10)

    def status(self):
        return command("sv", "status", self.service)

    def launch(self):
        command("sv", "-w", "30", "start", self.service)

    def end(self, *options, status=0):
        command("sv", *options, self.service, status=status)
        wait(lambda: self.status().startswith("down: "), self.status)
        with open(self.service + "/finished") as file:
            return file.read().strip()

    def ask_reload(self):
        command("sv", "hup", self.service)

    def start(self):
        self.orders.give("hold-start")
        self.starting = self.spawn("sv", "-w", "30", "start", self.service)
        self.orders.wait_for("\npid ")
        wait(lambda: self.status().startswith("run: "), self.status)
        return "`sv start`"

    def ready(self):
        expect(self.starting.poll() is None, "sv start did not wait")
        self.orders.take("hold-start")
        expect(self.starting.wait() == 0, "sv start failed")
        expect("\nready\n" in self.orders.log, self.orders.log)
        return "`sv start` waits for the script `check`"

    def stop(self):
        told = self.end("-w", "30", "stop")
        expect("SIGTERM" in self.orders.log and told == "0 0", f"{told}, {self.orders.log}")
        return "`sv stop`: SIGTERM, exit code 0"

    def stuck_stop(self):
        self.restart("hold-stop")
        told = self.end("-w", "30", "stop")
        expect(told == "-1 15", told)
        return f"dies by SIGTERM; `finish {told}`"

    def kill(self):
        self.restart("hold-stop", "patient")
        said = command("sv", "-w", "1", "stop", self.service, status=None)
        expect(said.startswith("timeout: run: "), said)
        told = self.end("-w", "1", "force-stop", status=None)
        expect(told == "-1 9", told)
        return f"`sv stop` gives up; `sv force-stop`: SIGKILL; `finish {told}`"

    def exit_status(self):
        self.restart()
        os.remove(self.service + "/finished")
        command("sv", "2", self.service)
        self.orders.wait_for("\nready\n", 2)
        with open(self.service + "/finished") as file:
            told = file.read().strip()
        expect(told == "75 0", told)
        return f"`finish {told}`; starts again"


class Daemontools(Supervisor):
    name = "daemontools"
    tools = "supervise", "svc", "svstat"
    reloads_by = "`svc -h`"

    def set_up(self):
        self.version = package_version("daemontools")
        self.write("service/run", f"#!/bin/sh\nexec {self.program}\n")
        self.write("service/down", "")
        self.service = os.path.join(self.directory, "service")
        self.spawn("supervise", self.service)
        wait(lambda: "down " in self.status(), self.status)

    def close(self):
        subprocess.run(["svc", "-dkx", self.service], stderr=subprocess.DEVNULL)
        super().close(10)

    def status(self):
        return command("svstat", self.service, status=None).split(": ", 1)[-1]

    def launch(self):
        command("svc", "-u", self.service)

    def ask_reload(self):
        command("svc", "-h", self.service)

    def start(self):
        self.launch()
        self.orders.wait_for("\nready\n")
        wait(lambda: self.status().startswith("up "), self.status)
        return "`svc -u`"

    def stop(self):
        command("svc", "-d", self.service)
        wait(lambda: self.status().startswith("down "), self.status)
        expect("SIGTERM" in self.orders.log and "finished: exit code 0" in self.orders.log, self.orders.log)
        return "`svc -d`: SIGTERM"

    def stuck_stop(self):
        self.restart("hold-stop")
        command("svc", "-d", self.service)
        wait(lambda: self.status().startswith("down "), self.status)
        expect("forced to exit" in self.orders.log, self.orders.log)
        return "dies by SIGTERM; no status is kept"

    def kill(self):
        self.restart("hold-stop", "patient")
        command("svc", "-d", self.service)
        self.orders.wait_for("draining")
        expect(self.status().startswith("up "), self.status())
        command("svc", "-k", self.service)
        wait(lambda: self.status().startswith("down "), self.status)
        return "nothing; by hand `svc -k`: SIGKILL"

    def exit_status(self):
        self.restart()
        pid = self.status().split()[2]
        os.kill(int(pid.strip(")")), signal.SIGUSR2)
        self.orders.wait_for("finished: exit code 75")
        self.orders.wait_for("\nready\n", 2)
        expect("75" not in self.status().replace(pid, ""), self.status())
        return "no status is kept; starts again"


class Supervisord(Supervisor):
    name = "supervisord"
    reloads_by = "`supervisorctl signal HUP`"

    def set_up(self):
        modules = self.scratch + "-pypi"
        self.environment["PYTHONPATH"] = modules
        if not os.path.isdir(os.path.join(modules, "supervisor")):
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", modules, "supervisor"]
            installed = subprocess.run(pip, capture_output=True, text=True)
            if installed.returncode != 0:
                shown = (installed.stderr.strip().splitlines() or ["pip failed"])[-1]
                raise Skip(f"pip cannot install it: {shown}")
        self.version = command(sys.executable, "-m", "supervisor.supervisord", "--version", env=self.environment)
        self.log_file = os.path.join(self.directory, "supervisord.log")
        self.configuration = self.write("supervisord.conf", f"""
[unix_http_server]
file={self.directory}/socket
[supervisord]
nodaemon=true
logfile={self.log_file}
pidfile={self.directory}/pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{self.directory}/socket
[program:daemon]
command={self.program}
autostart=false
startsecs=1
stopwaitsecs=2
""", 0o600)
        self.spawn(sys.executable, "-m", "supervisor.supervisord", "-c", self.configuration)
        wait(lambda: os.path.exists(f"{self.directory}/socket"), "supervisord runs")

    def close(self):
        for process in self.processes:
            process.terminate()
        super().close(10)

    def control(self, *arguments, status=0):
        return command(sys.executable, "-m", "supervisor.supervisorctl", "-c", self.configuration, *arguments, status=status,
                       env=self.environment)

    def said(self, text):
        with open(self.log_file) as file:
            return text in file.read()

    def wait_for(self, text):
        wait(lambda: self.said(text), f"“{text}” in its log")

    def launch(self):
        self.control("start", "daemon")

    def ask_reload(self):
        self.control("signal", "HUP", "daemon")

    def start(self):
        self.orders.give("hold-start")
        self.launch()
        expect("RUNNING" in self.control("status", status=None), self.control("status", status=None))
        expect("\nready\n" not in self.orders.log, self.orders.log)
        self.orders.take("hold-start")
        self.orders.wait_for("\nready\n")
        return "`supervisorctl start` waits for `startsecs`"

    def stop(self):
        self.control("stop", "daemon")
        self.wait_for("stopped: daemon (exit status 0)")
        expect("SIGTERM" in self.orders.log, self.orders.log)
        return "`supervisorctl stop`: SIGTERM, exit status 0"

    def stuck_stop(self):
        self.restart("hold-stop")
        self.control("stop", "daemon")
        self.wait_for("stopped: daemon (terminated by SIGTERM)")
        return "“terminated by SIGTERM”"

    def kill(self):
        self.restart("hold-stop", "patient")
        self.control("stop", "daemon")
        self.wait_for("stopped: daemon (terminated by SIGKILL)")
        return "SIGKILL after `stopwaitsecs`"

    def exit_status(self):
        self.restart()
        self.control("signal", "USR2", "daemon")
        self.wait_for("exited: daemon (exit status 75; not expected)")
        self.orders.wait_for("\nready\n", 2)
        return "“exit status 75; not expected”; starts again"


services = [S6, Runit, Daemontools, Supervisord]
