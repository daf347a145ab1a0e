"""Sudden ends: signals at any moment."""

import signal
import subprocess
import time

from harness import Account, Filter, case, require, wait_until

MOMENTS = 200


def endings(world, name, number):
    """The signal at moments spread over the time that a run takes, and over its input; from and to pipes and files by
    turns. Gives how each run ended."""
    corpus, random = world.corpus(6000), world.random(name)
    place = world.directory()
    source, output = place / "in", place / "out"
    source.write_bytes(corpus.input)
    begun = time.monotonic()
    world.run([], corpus.input)
    whole = time.monotonic() - begun
    for turn in range(MOMENTS):
        way = ("pipe to pipe", "pipe to file", "file to pipe", "pipe to stdout that is a file")[turn % 4]
        args = ["--summary", "--workers", 1 + turn % 3]
        options = {}
        if way == "pipe to file":
            args += ["--output", output]
            options["stdout"] = subprocess.DEVNULL
        if way == "file to pipe":
            options["stdin"] = open(source, "rb")
        if way == "pipe to stdout that is a file":
            options["stdout"] = open(output, "wb")
        output.write_bytes(b"")
        running = Filter(world, args, **options)
        for file in options.values():
            if file is not subprocess.DEVNULL:
                file.close()
        if running.process.stdin:
            running.feed(corpus.input, [random.randrange(1000, 70_000)])
        if running.process.stdout:
            running.reader()
        if turn % 8 < 4 or not running.process.stdin:
            time.sleep(random.random() * whole * 1.2)
        else:
            # Time says little on a busy machine.
            fed = random.randrange(len(corpus.input))
            wait_until("input", lambda: running.accepted >= fed or running.process.poll() is not None)
        running.signal(number)
        done = running.wait()
        if "file" in way.split(" to ")[1]:
            done.out = output.read_bytes()
        yield corpus, way, done, running.pause


@case("SIGTERM")
def terminated(world):
    account = Account()
    for corpus, way, done, pause in endings(world, "SIGTERM", signal.SIGTERM):
        if pause > 0.15 and "nobody took the output" in done.err:
            # This machine was so busy that our reader was rightly given up.
            account.prefix(corpus, done, {3}, torn=True)
        elif done.status == -signal.SIGTERM:
            # Before it has begun to write, a signal just ends it.
            require(done.out == b"" and done.err == "", f"{way}: {done.err}")
            account.prefix(corpus, done, {-signal.SIGTERM})
        else:
            # 1 when rejects were written.
            account.prefix(corpus, done, {0, 1}, exact=True)
    return account


@case("SIGKILL")
def killed(world):
    """A torn last line is no line to the next reader, and to hsmtrail a reject."""
    account, torn = Account(), 0
    for corpus, way, done, _ in endings(world, "SIGKILL", signal.SIGKILL):
        account.prefix(corpus, done, {-signal.SIGKILL}, torn=True)
        if done.out and not done.out.endswith(b"\n"):
            torn += 1
            again = world.run([], done.out)
            whole = done.out[: done.out.rfind(b"\n") + 1]
            require(again.out.startswith(whole), f"{way}: read again, it is not the same")
            last = again.out[len(whole) :]
            # Cut right before its line break it is a record still.
            full = done.out[len(whole) :] + b"\n" in corpus.results
            require(last == done.out[len(whole) :] + b"\n" if full else b'"reason":"truncated"' in last, f"{way}: {last}")
    account.note(f"{torn} with a torn last line")
    return account
