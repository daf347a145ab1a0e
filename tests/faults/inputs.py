"""Faults of what is read: writers that stop, calls that do half of what was asked, files that change or are damaged."""

import bz2
import gzip
import os
import signal
import subprocess
import time
import zlib

from harness import PAGE, Account, Done, Filter, Skipped, begins, case, is_full, pipe, require, small_socket, tool, wait_until
from outputs import set_non_blocking


@case("writer that stops")
def stopped_writer(world):
    """In the middle of a record: what was complete comes out meanwhile, and the rest once it goes on."""
    account, corpus = Account(), world.corpus(30, reject_every=0)
    lines = [line[:-1] for line in corpus.lines]
    first, rest = lines[:20], lines[20:]
    cut = len(rest[0]) // 2

    def pretty(line):
        return line.replace(b"{", b"{\n  ", 1)[:-1] + b"\n}"

    forms = {
        "lines": (b"", b"\n", b"\n", lambda line: line),
        "back to back": (b"", b"", b"", lambda line: line),
        "Records": (b'{"Records":[', b",", b"]}", lambda line: line),
        "array": (b"[", b",", b"]", lambda line: line),
        "pretty": (b"", b"\n", b"\n", pretty),
    }
    longest = 0
    for form, (start, between, end, shape) in forms.items():
        for packed in (False, True):
            packer = zlib.compressobj(wbits=31)

            def flushed(data):
                return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) if packed else data

            before = start + b"".join(shape(line) + between for line in first)
            running = Filter(world, ["--summary"])
            reading = running.reader()
            running.write(flushed(before + shape(rest[0])[:cut]))
            begun, expected = time.monotonic(), b"".join(corpus.results[:20])
            running.wait_for(f"{form}: the complete records", lambda: len(running.out) >= len(expected))
            longest = max(longest, time.monotonic() - begun)
            require(bytes(running.out) == expected, f"{form}: {running.out[-300:]}")
            after = between.join([shape(rest[0])[cut:], *map(shape, rest[1:])]) + end
            running.write(flushed(after) + (packer.flush() if packed else b""), close=True)
            account.whole(corpus, running.wait())
            require(not reading.is_alive(), "still reading")
    # The interval is 0.1 s; the rest is for a busy machine.
    require(longest < 5, f"{longest:.1f} s")
    account.note(f"complete records after {longest * 1000:.0f} ms at most")
    return account


@case("signals")
def signals(world):
    """Stopped and continued, and told of hang-ups and windows, a thousand times."""
    account, corpus = Account(), world.corpus(2000)
    storm = (signal.SIGSTOP, signal.SIGCONT, signal.SIGHUP, signal.SIGWINCH, signal.SIGCONT, signal.SIGCHLD, signal.SIGURG)
    random = world.random("signals")
    for args in (["--workers", 1], ["--workers", 3, "--output", world.directory() / "out"]):
        running = Filter(world, ["--summary", *args])
        running.reader()
        running.feed(corpus.input[: 10 * PAGE], close=False)
        # Not before its signals are set up.
        out = (lambda: len(running.out)) if len(args) == 2 else (lambda: args[3].exists() and args[3].stat().st_size)
        running.wait_for("output", lambda: out() > 0)
        running.feed(corpus.input[10 * PAGE :], [3000])
        for _ in range(500):
            number = random.choice(storm)
            running.signal(number)
            if number == signal.SIGSTOP:
                running.signal(signal.SIGCONT)
        done = running.wait()
        if len(args) > 2:
            done.out = args[3].read_bytes()
        account.whole(corpus, done)
    return account


# What strace makes of a call that would have been made: errors that a kernel may give at any time.
INTERRUPTED = {
    "read is interrupted": ("stdin", "read", "EINTR", "2+2"),
    "poll is interrupted": ("stdin", "poll,ppoll", "EINTR", "1+2"),
    "read would wait": ("stdin", "read", "EAGAIN", "1+3"),
    "write is interrupted": ("stdout", "write", "EINTR", "1+2"),
    "write would wait": ("stdout", "write", "EAGAIN", "2+3"),
}
FAILED = {
    "read fails at first": ("stdin", "read", "EIO", "1"),
    "read fails later": ("stdin", "read", "EIO", "5"),
    "write fails at first": ("stdout", "write", "EIO", "1"),
    "write fails later": ("stdout", "write", "EIO", "5"),
    "quota is used up": ("stdout", "write", "EDQUOT", "3"),
}


def run_injected(world, corpus, fault):
    """A run between two FIFOs, on one of which calls end as strace says."""
    where, calls, error, when = fault
    strace = tool("strace")
    place = world.directory()
    paths = {name: place / name for name in ("stdin", "stdout")}
    for path in paths.values():
        os.mkfifo(path)
    wrap = [strace, "-f", "-qq", "-o", place / "trace", "-P", paths[where], "-e", f"trace={calls}"]
    wrap += ["-e", f"inject={calls}:error={error}:when={when}", "--"]
    # Each end waits for the other, so these are opened for both at first.
    ends = {name: os.open(path, os.O_RDWR) for name, path in paths.items()}
    stdin, stdout = os.open(paths["stdin"], os.O_RDONLY), os.open(paths["stdout"], os.O_WRONLY)
    to, of = os.open(paths["stdin"], os.O_WRONLY), os.open(paths["stdout"], os.O_RDONLY)
    running = Filter(world, ["--summary"], stdin=stdin, stdout=stdout, wrap=wrap)
    for descriptor in (stdin, stdout, *ends.values()):
        os.close(descriptor)
    running.process.stdin = os.fdopen(to, "wb", buffering=0)
    running.process.stdout = os.fdopen(of, "rb", buffering=0)
    running.feed(corpus.input)
    done = running.wait()
    trace = (place / "trace").read_text()
    if "ptrace" in done.err and not trace:
        raise Skipped("strace may not trace here")
    require("(INJECTED)" in trace, f"nothing was injected: {done.err[:500]}")
    return done, trace.count("(INJECTED)")


@case("interrupted calls")
def interrupted(world):
    account, corpus, injected = Account(), world.corpus(2000), 0
    for fault in INTERRUPTED.values():
        done, count = run_injected(world, corpus, fault)
        account.whole(corpus, done)
        injected += count
    account.note(f"{injected} calls")
    return account


@case("failing reads and writes")
def failing(world):
    account, corpus = Account(), world.corpus(2000)
    for name, fault in FAILED.items():
        done, _ = run_injected(world, corpus, fault)
        what = "read stdin" if fault[0] == "stdin" else "write to stdout"
        require(f"hsmtrail: cannot {what}" in done.err, f"{name}: {done.err}")
        # What was read may end inside a record, and the source with it: a reject, `truncated`.
        last = done.out[done.out[:-1].rfind(b"\n") + 1 :]
        if fault[0] == "stdin" and b'"reason":"truncated"' in last:
            done.out = done.out[: -len(last)]
        account.prefix(corpus, done, {3}, torn=True)
    return account


@case("short reads and writes")
def short(world):
    """Through pipes that begin with one page, and sockets that hold hardly more, in pieces of any length."""
    account, corpus = Account(), world.corpus(1000)
    random = world.random("short")
    for sizes in ([1], [7, 1, 4095], [random.randrange(1, 9000) for _ in range(500)]):
        part = corpus if sizes != [1] else world.corpus(40)
        for kind in ("pipe", "socket"):
            if kind == "pipe":
                (stdin, to), (of, stdout) = pipe(PAGE), pipe(PAGE)
            else:
                (stdin, to), (of, stdout) = small_socket(), small_socket()
            running = Filter(world, ["--summary", "--workers", 2], stdin=stdin, stdout=stdout)
            os.close(stdin), os.close(stdout)
            running.process.stdin = os.fdopen(to, "wb", buffering=0)
            running.feed(part.input, sizes)
            while piece := os.read(of, random.randrange(1, 3000)):
                running.out += piece
            os.close(of)
            account.whole(part, running.wait())
    return account


@case("non-blocking stdin")
def non_blocking_stdin(world):
    account, corpus = Account(), world.corpus(2000)
    for pause, sizes in ((0, [1 << 16]), (0.001, [30_000, 1])):
        reader, writer = pipe()
        set_non_blocking(reader)
        running = Filter(world, ["--summary"], stdin=reader)
        os.close(reader)
        running.process.stdin = os.fdopen(writer, "wb", buffering=0)
        running.feed(corpus.input, sizes, pause)
        account.whole(corpus, running.wait())
    return account


def stalled(world, path, args=()):
    """A run over this file that has come as far as a reader lets it who takes nothing."""
    reader, writer = pipe()
    running = Filter(world, ["--summary", "--workers", 1, *args, path], stdin=subprocess.DEVNULL, stdout=writer)
    running.process.stdout = os.fdopen(reader, "rb", buffering=0)
    wait_until("a full pipe", lambda: is_full(writer))
    os.close(writer)
    return running


@case("file that shrinks")
def shrinks(world):
    account, corpus = Account(), world.corpus(40_000)
    for end in (0, len(corpus.input) // 2, len(corpus.input) - 1):
        path = world.directory() / "in"
        path.write_bytes(corpus.input)
        running = stalled(world, path)
        os.truncate(path, end)
        done = running.wait()
        # It ends where it ends now, or where reading had come; a record that is cut there is a reject.
        last = done.out[done.out[:-1].rfind(b"\n") + 1 :]
        whole = done.out[: -len(last)] if b'"reason":"truncated"' in last else done.out
        expected = whole.replace(str(path).encode(), b"stdin")
        begins(Done(expected, done.err, done.status), corpus)
        lines = expected.count(b"\n")
        require(sum(map(len, corpus.lines[: lines + 1])) >= end, f"{lines} records, though {end} bytes stayed")
        require(done.status == 1, f"status {done.status}: {done.err}")
        read = done.counts()[0]
        require(read == done.out.count(b"\n"), done.err)
        account.add(lines, lines - corpus.rejects[lines], corpus.rejects[lines], done.status, False)
    return account


@case("file that is replaced")
def replaced(world):
    """The file that was opened is read to its end, whatever has its name now. One that is gone before is told."""
    account, corpus = Account(), world.corpus(40_000, reject_every=0)
    for change in ("renamed over", "removed", "appended to"):
        path = world.directory() / "in"
        path.write_bytes(corpus.input)
        running = stalled(world, path)
        if change == "renamed over":
            other = path.with_name("other")
            other.write_bytes(b'{"other":1}\n' * 1000)
            other.rename(path)
        elif change == "removed":
            path.unlink()
        else:
            # As a shipper that still writes: what has come by then counts.
            with open(path, "ab") as file:
                file.write(b'{"more":1}\n')
        done = running.wait()
        if change == "appended to" and done.out.endswith(b'{"more":1}\n'):
            require(done.out == corpus.output + b'{"more":1}\n' and done.status == 0, change)
            account.add(corpus.count + 1, corpus.count + 1, 0, done.status, False)
        else:
            account.whole(corpus, done)
    # It is gone when its turn comes: a failure, and the others are read.
    place = world.directory()
    fifo, gone, there = place / "fifo", place / "gone.json", place / "there.json"
    os.mkfifo(fifo)
    gone.write_bytes(b"{}\n")
    there.write_bytes(corpus.input)
    running = Filter(world, [fifo, gone, there], stdin=subprocess.DEVNULL)
    with open(fifo, "wb") as writer:
        gone.unlink()
        writer.write(b'{"first":1}\n')
    done = running.wait()
    require(done.status == 3 and f"{gone}" in done.err, done.err)
    require(done.out == b'{"first":1}\n' + corpus.output, "the other files")
    account.add(corpus.count + 1, corpus.count + 1, 0, done.status, False)
    return account


# ---- compressed input ----------------------------------------------------------------------------------------

PARTS, PER_PART = 8, 60


def zstd(data):
    return subprocess.run([tool("zstd"), "-q", "-c"], input=data, capture_output=True, check=True).stdout


def damaged(world, name, pack):
    """Bits are turned and the end is cut off, in a file of several parts. The parts before the damage come out as they
    are, and the status tells. (A bit of a header may mean nothing; then all comes out.)"""
    account, corpus = Account(), world.corpus(PARTS * PER_PART, reject_every=0)
    random, place = world.random(name), world.directory()
    parts = [pack(b"".join(corpus.lines[at : at + PER_PART])) for at in range(0, corpus.count, PER_PART)]
    packed, harmless = b"".join(parts), 0
    ends = [sum(map(len, parts[: count + 1])) for count in range(PARTS)]
    damages = [("cut", at) for at in sorted({*ends[:-1], *(end - 1 for end in ends), *random.sample(range(1, len(packed)), 60)})]
    damages += [("bit", random.randrange(len(packed) * 8)) for _ in range(200)]
    damages += [("bit", end * 8 + bit) for end in (0, ends[2]) for bit in range(0, 160, 3)]
    for kind, at in damages:
        if kind == "cut":
            data, byte = packed[:at], at
        else:
            data, byte = bytearray(packed), at // 8
            data[byte] ^= 1 << (at % 8)
        path = place / f"in.json.{name}"
        path.write_bytes(data)
        done = Filter(world, [path], stdin=subprocess.DEVNULL).wait()
        whole = sum(end <= byte for end in ends) * PER_PART
        before = b"".join(corpus.results[:whole])
        require(done.out.startswith(before), f"{kind} {at}: the parts before it")
        require(not done.out or done.out.endswith(b"\n"), f"{kind} {at}: a torn line")
        if done.out == corpus.output and done.status == 0:
            harmless += 1
            account.add(corpus.count, corpus.count, 0, 0, False)
            require(kind == "bit", f"cut at {at}, and nothing said")
            continue
        if kind == "cut" and at in ends:
            # Between two parts nobody can know.
            require((done.status, done.out) == (0, before), f"cut at {at}: status {done.status}")
        elif at == 0 and kind == "cut" or done.status == 1:
            # The first bytes do not tell a compression any more: it is read as what it is, a reject.
            require(byte < 4 and done.out.startswith(b'{"hsmtrail_reject"'), f"{kind} {at}: status 1, {done.out[:200]}")
        else:
            require(done.status == 3 and str(path) in done.err, f"{kind} {at}: status {done.status}, {done.err[:300]}")
        if kind == "cut":
            # What was decompressed is true, but its last record may be cut.
            last = done.out[done.out[:-1].rfind(b"\n") + 1 :]
            true = done.out[: -len(last)] if b'"reason":"truncated"' in last else done.out
            begins(Done(true, done.err, done.status), corpus)
            whole = true.count(b"\n")
        account.add(corpus.count, whole, 0, done.status, True)
    account.note(f"{harmless} of no effect")
    return account


@case("damaged gzip")
def damaged_gzip(world):
    return damaged(world, "gz", lambda data: gzip.compress(data, mtime=0))


@case("damaged zstd")
def damaged_zstd(world):
    return damaged(world, "zst", zstd)


@case("damaged bzip2")
def damaged_bzip2(world):
    return damaged(world, "bz2", bz2.compress)
