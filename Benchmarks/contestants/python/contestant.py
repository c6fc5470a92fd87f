"""asyncio, uvloop, anyio (on asyncio) and trio. None of them gives a value."""

import asyncio
import importlib
import os
import signal
import sys

COUNTED, END = 40, signal.SIGUSR2
QUIET = 0.05  # seconds without an event after END: all that was held is out


def say(text):
    os.write(1, text)


def report(received):
    say(b"received=%d disorder=- duplicates=-\n" % received)


def on_loop(loop, mode):
    asyncio.set_event_loop(loop)
    if mode == "pingpong":
        loop.add_signal_handler(signal.SIGUSR1, say, b"s")
        say(b"R")
        loop.run_forever()
    loop.run_until_complete(storm_on_loop(loop))


async def storm_on_loop(loop):
    received = 0
    ended = asyncio.Event()

    def count():
        nonlocal received
        received += 1

    loop.add_signal_handler(COUNTED, count)
    loop.add_signal_handler(END, ended.set)
    say(b"R")
    await ended.wait()
    before = -1
    while received != before:
        before = received
        await asyncio.sleep(QUIET)
    report(received)


async def on_receiver(library, mode):  # anyio's is modelled on trio's
    if mode == "pingpong":
        with library.open_signal_receiver(signal.SIGUSR1) as signals:
            say(b"R")
            async for _ in signals:
                say(b"s")
    received = 0
    with library.open_signal_receiver(COUNTED, END) as signals:
        say(b"R")
        async for signo in signals:
            if signo == END:
                break
            received += 1
        quiet = False
        while not quiet:
            quiet = True
            with library.move_on_after(QUIET):
                received += await anext(signals) == COUNTED
                quiet = False
    report(received)


def main():
    if len(sys.argv) != 3 or sys.argv[2] not in ("pingpong", "storm"):
        sys.exit(2)
    _, name, mode = sys.argv
    if name not in ("asyncio", "uvloop", "anyio", "trio"):
        sys.exit(2)
    try:
        library = importlib.import_module(name)
    except ImportError:
        print(f"{name} is missing: Benchmarks/peers.sh installs it", file=sys.stderr)
        sys.exit(3)
    if name in ("asyncio", "uvloop"):
        on_loop(library.new_event_loop(), mode)
    elif name == "anyio":
        library.run(on_receiver, library, mode, backend="asyncio")
    else:
        library.run(on_receiver, library, mode)


main()
