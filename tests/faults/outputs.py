"""Faults of what is written to: full disks, readers that go, dawdle or stop."""

import fcntl
import os
import re
import time

from harness import MIB, PAGE, Account, Done, Filter, Skipped, case, is_full, pipe, require, small_disk, small_socket, wait_until

# What the README's formula allows two workers and one input, in MiB.
TWO_WORKERS = 16 + 2 * (48 + 32)


def full_disk(world, corpus, name, args):
    """Fills a disk with the output that `args` name, and gives what is in the file then."""
    with small_disk(world, "192k") as disk:
        path, metrics = disk / "written", world.directory() / "h.prom"
        done = world.run(["--metrics-file", metrics, *args, path], corpus.input)
        require(done.status == 3, f"{name}: status {done.status}, {done.err}")
        require(f"hsmtrail: cannot write to {path} after " in done.err and "No space left on device" in done.err, done.err)
        require(done.err.count("\n") == 1, done.err)
        # A batch of some 256 KiB that was not written whole is not counted.
        counted = sum(map(int, re.findall(r"^hsmtrail_records_total{.*} (\d+)$", metrics.read_text(), re.MULTILINE)))
        written = path.read_bytes()
        require(counted <= len((done.out + written).splitlines()), f"{name}: {counted} records are counted")
        return done, written


@case("full disk, output")
def full_output(world):
    account, corpus = Account(), world.corpus(2000)
    try:
        for workers in (1, 3):
            done, written = full_disk(world, corpus, "output", ["--workers", workers, "--output"])
            require(len(written) > 100_000, f"{len(written)} bytes on the disk")
            account.prefix(corpus, Done(written, done.err, done.status), {3})
        # A file that the shell opened is not ours to cut.
        with small_disk(world, "192k") as disk:
            path = disk / "written"
            with open(path, "wb") as stdout:
                done = world.run([], corpus.input, stdout=stdout)
            written = path.read_bytes()
            torn = not written.endswith(b"\n")
            require(torn == ("its last line is cut short" in done.err), done.err)
            account.prefix(corpus, Done(written, done.err, done.status), {3}, torn=True)
    except Skipped as reason:
        account.note(str(reason))
    for args in ([], ["--output", "/dev/full"]):
        with open("/dev/full", "wb") as full:
            done = world.run(args, corpus.input, stdout=full)
        account.prefix(corpus, Done(b"", done.err, done.status), {3})
        require("No space left on device" in done.err and done.err.count("\n") == 1, done.err)
    return account


@case("full disk, rejects")
def full_rejects(world):
    account, corpus = Account(), world.corpus(3000, reject_every=2)
    rejects = b"".join(line for line in corpus.results if line.startswith(b'{"hsmtrail_reject":'))

    def check(done, written):
        require(corpus.passed.startswith(done.out) and (not done.out or done.out.endswith(b"\n")), "the output")
        require(rejects.startswith(written) and (not written or written.endswith(b"\n")), "the file of rejects")
        out, rejected = done.out.count(b"\n"), written.count(b"\n")
        # Neither is ahead of the other by more than a batch of 256 KiB.
        require(abs(out - rejected) < 2000, f"{out} records and {rejected} rejects")
        account.add(corpus.count, out, rejected, done.status, done.status == 3)

    try:
        done, written = full_disk(world, corpus, "rejects", ["--rejects"])
        require(len(written) > 100_000, f"{len(written)} bytes on the disk")
        check(done, written)
    except Skipped as reason:
        account.note(str(reason))
    done = world.run(["--rejects", "/dev/full"], corpus.input)
    require(done.status == 3 and "No space left on device" in done.err, done.err)
    check(done, b"")
    return account


@case("full disk, metrics file")
def full_metrics(world):
    account, corpus = Account(), world.corpus(2000)
    with small_disk(world, "16k") as disk:
        path = disk / "h.prom"
        for old in (None, b"# old\n"):
            if old:
                path.write_bytes(old)
            done = world.run(["--summary", "--metrics-file", path], corpus.input)
            message = f"hsmtrail: cannot write the metrics file {path}: No space left on device"
            require(done.err.count(message) == 1, done.err)
            require((path.read_bytes() if path.exists() else None) == old, "the old file is not as it was")
            require([*disk.iterdir()] == ([path] if old else []), "something is left on the disk")
            account.whole(corpus, done)
    return account


@case("closed pipe")
def closed_pipe(world):
    """Closed after the N-th read of a page, for every N up to 120, of which each follows a write."""
    # More than a pipe may hold.
    account, corpus = Account(), world.corpus(6000)
    for pages in range(120):
        reader, writer = pipe() if pages % 2 else small_socket()
        running = Filter(world, [], stdout=writer)
        os.close(writer)
        running.feed(corpus.input)
        out = b"".join(os.read(reader, PAGE) for _ in range(pages))
        os.close(reader)
        done = running.wait()
        require(done.err == "", done.err)
        # What was read; the line that was under way is the reader's to leave.
        account.prefix(corpus, Done(out, "", done.status), {141}, torn=True)
    corpus = world.corpus(6000, reject_every=2)
    for option in ("--output", "--rejects"):
        path = world.directory() / "fifo"
        os.mkfifo(path)
        running = Filter(world, [option, path])
        running.feed(corpus.input)
        with open(path, "rb", buffering=0) as fifo:
            out = b"" if option == "--rejects" else fifo.read(1)
        done = running.wait()
        require(done.status == 3 and done.err == f"hsmtrail: the reader of {path} is gone\n", done.err)
        if option == "--output":
            account.prefix(corpus, Done(out, "", done.status), {3}, torn=True)
    return account


@case("slow reader")
def slow_reader(world):
    """1 KB/s, while the writer writes as fast as it can."""
    account = Account()
    corpus = world.corpus(40_000)
    reader, writer = pipe(PAGE)
    running = Filter(world, ["--workers", 2, "--summary"], stdout=writer)
    os.close(writer)
    running.feed(corpus.input)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        running.out += os.read(reader, 102)
        time.sleep(0.1)
    accepted, peak = running.accepted, running.peak()
    require(accepted < TWO_WORKERS * MIB / 4 and peak < TWO_WORKERS, f"{accepted} bytes taken, {peak:.0f} MiB")
    account.note(f"{accepted / 1e6:.1f} MB taken ahead, {peak:.0f} MiB")
    while piece := os.read(reader, 1 << 20):
        running.out += piece
    os.close(reader)
    account.whole(corpus, running.wait())
    # To the end at that speed.
    corpus = world.corpus(12)
    reader, writer = pipe(PAGE)
    running = Filter(world, ["--summary"], stdout=writer)
    os.close(writer)
    running.feed(corpus.input)
    while piece := os.read(reader, 102):
        running.out += piece
        time.sleep(0.1)
    os.close(reader)
    account.whole(corpus, running.wait())
    return account


@case("reader that stops")
def stopped_reader(world):
    """For 10 s, in the middle of the output."""
    account, corpus = Account(), world.corpus(40_000)
    running = Filter(world, ["--summary"])
    running.feed(corpus.input)
    for _ in range(20):
        running.read()
    time.sleep(10)
    require(running.process.poll() is None, "it did not wait for its reader")
    account.whole(corpus, running.wait())
    return account


def set_non_blocking(descriptor):
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_NONBLOCK)


@case("non-blocking stdout")
def non_blocking_stdout(world):
    account, corpus = Account(), world.corpus(2000)
    for size in (PAGE, 1 << 16):
        reader, writer = pipe(size)
        set_non_blocking(writer)
        running = Filter(world, ["--summary"], stdout=writer)
        running.feed(corpus.input)
        wait_until("a full pipe", lambda: is_full(writer))
        os.close(writer)
        while piece := os.read(reader, 5000):
            running.out += piece
        os.close(reader)
        account.whole(corpus, running.wait())
    return account
