#!/usr/bin/env python3
"""Random daemons under random signals from outside: chaos.py PROGRAM COUNT [SEED]

Each process gets a daemon and signals that its seed makes. It must end in time, report all of its work, end with the status
that its report says, and leave no child that it adopted behind at a forced exit. Prints the seeds of those that do not, and a
line of sums; exit status 1 if there are any.
"""
import collections
import concurrent.futures
import os
import random
import re
import signal
import subprocess
import sys
import time

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]


def run(program, seed):
    choice = random.Random(seed)
    process = subprocess.Popen(  # not buffered, or communicate() overlooks what came with the first line
        [program, "chaos", str(seed)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
    line = process.stdout.readline()
    if line != b"captured\n":
        process.kill()
        return seed, [f"began with {line!r}"], "none", process.wait()
    for _ in range(choice.randrange(1, 8)):
        time.sleep(choice.random() * choice.choice([0.01, 0.3]))
        try:
            process.send_signal(choice.choice(SIGNALS))
        except ProcessLookupError:
            break
    ended = False
    for _ in range(3):  # whatever came before, these end it: the second one if the first was a HUP's duplicate
        try:
            process.send_signal(signal.SIGTERM)
        except ProcessLookupError:
            pass
        try:
            output, _ = process.communicate(timeout=10)
            ended = True
            break
        except subprocess.TimeoutExpired:
            continue
    if not ended:
        process.kill()
        output, _ = process.communicate()
    output = output.decode()
    problems = [] if ended else ["did not end"]
    reports = re.findall(r"^REPORT (.*)$", output, re.M)
    status = process.returncode
    said = f"death by {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
    if reports != [said]:
        problems.append(f"ended with {said}, and reported {reports}")
    problems += re.findall(r"^MISSING.*$", output, re.M)
    was_forced = "forced true" in output
    for child in map(int, re.findall(r"^child (\d+)$", output, re.M)):
        if was_forced and is_alive(child):
            problems.append(f"child {child} lives")
        elif is_alive(child):
            os.kill(child, signal.SIGKILL)
    return seed, problems, "forced" if was_forced else "by itself", status


def is_alive(pid):
    for _ in range(40):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return False
        except FileNotFoundError:
            return False
        time.sleep(0.05)
    with open(f"/proc/{pid}/comm") as comm:
        return comm.read() == "sleep\n"


def main():
    program, count = sys.argv[1], int(sys.argv[2])
    first = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 40)
    ends, failed = collections.Counter(), 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for seed, problems, way, status in pool.map(lambda number: run(program, first + number), range(count)):
            ends[f"{way}, {status}"] += 1
            if problems:
                failed += 1
                print(f"seed {seed}: {'; '.join(problems)}", flush=True)
    print(f"{count} daemons from seed {first}, {failed} failed: {dict(ends)}")
    sys.exit(1 if failed else 0)


main()
