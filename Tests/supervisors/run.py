#!/usr/bin/env python3
"""Runs one daemon under real supervisors. A table of the article "Supervisors" shows what each does with it.

run.py [NAME…]   those that need no booted system, or those named: a line for each, and whether the article's table says the
                 same of these versions; exit status 1 if something failed or differs.
run.py --all     with systemd, booted in a namespace from a tree of Debian's, which debootstrap makes; writes the table.

A supervisor that is not here is skipped with a word, which the table has too. Everything runs in a PID namespace of its own, so
nothing is left behind. SCRATCH=DIR builds there, or --program PATH says what was built.
"""
import argparse
import concurrent.futures
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
from fixture import Skip, Wrong, need, remove
from launchers import inits, launchers
from services import services
from systemd import boots
from table import ROWS, Table

here = os.path.dirname(os.path.abspath(__file__))
situations = os.path.join(here, "../situations")
scratch = os.path.abspath(os.environ.get("SCRATCH", os.path.join(here, "../../.build/situations")))
article = os.path.join(here, "../../Sources/SignalBridge/SignalBridge.docc/Supervisors.md")
swift = os.environ.get("SWIFT", "swift")


def build():
    os.utime(os.path.join(situations, "Package.swift"))  # or SwiftPM overlooks new files of the library
    command = [swift, "build", "--package-path", situations, "--scratch-path", scratch, "--product"]
    for product in ("signals", "supervised"):
        built = subprocess.run([*command, product], capture_output=True, text=True)
        if built.returncode != 0:
            sys.exit(built.stdout + built.stderr)
    path = subprocess.run([*command, "supervised", "--show-bin-path"], capture_output=True, text=True).stdout.strip()
    return os.path.join(os.path.abspath(path), "supervised")


def enter_namespace(program):
    """Starts this script again as PID 1 of a namespace: the kernel ends all that is left when the script ends."""
    prefix = ["unshare", "-mpf", "--mount-proc", "--kill-child"]
    if os.getuid() != 0:
        prefix[1] = "-Urmpf"
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        print("skipped: PID namespaces are not permitted, and without one something might be left behind")
        sys.exit(0)
    os.environ["SUPERVISED_PROGRAM"] = program
    os.execvp(prefix[0], [*prefix, sys.executable, *sys.argv])


def run(supervisor):
    """The cells of one supervisor, by row; and whether it failed."""
    began = time.monotonic()
    cells = {}
    row = None
    try:
        need(*supervisor.tools)
        directory = tempfile.mkdtemp(prefix="supervised-")
        try:
            supervisor.prepare(directory)
            for row in ROWS:
                cells[row] = getattr(supervisor, row)()
                if row == "ready" and not supervisor.is_booted:
                    supervisor.inspect()
        finally:
            supervisor.close()
            remove(directory)
        print(f"ok      {supervisor.name} ({time.monotonic() - began:.1f} s)", flush=True)
    except Skip as reason:
        print(f"skipped {supervisor.name}: {reason}", flush=True)
        return {row: f"skipped: {reason}" for row in ROWS}, False
    except Exception as reason:
        what = reason if isinstance(reason, Wrong) else traceback.format_exc()
        print(f"FAILED  {supervisor.name}, {row}: {what}", flush=True)
        return cells, True
    return cells, False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--program", type=os.path.abspath)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    program = os.environ.get("SUPERVISED_PROGRAM")
    if program is None:
        enter_namespace(options.program or build())
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(1))  # PID 1 needs a handler, and the daemons must not inherit an ignored signal
    groups = [[make(program, scratch) for make in group] for group in (services, inits, launchers)]
    groups.insert(0, boots(program, scratch, article))  # four narrow tables, which a page can show
    chosen = [
        supervisor for group in groups for supervisor in group
        if (supervisor.name in options.names if options.names else options.all or not supervisor.is_booted)
    ]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = dict(zip(chosen, pool.map(run, chosen)))
    if any(failed for _, failed in results.values()):
        sys.exit(1)
    table = Table(article, groups, {supervisor.name: cells for supervisor, (cells, _) in results.items()})
    differences, of_other_versions = table.differences()
    for line in of_other_versions:
        print(f"another version: {line}")
    print("\n".join(differences) or "the article's table says the same of its versions")
    if options.all and not options.names:
        table.write()
    else:
        sys.exit(1 if differences else 0)


main()
