"""What every fault case needs: numbered records, the filter as a child process, and the account of what came of them."""

import fcntl
import json
import os
import random
import re
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PAGE = 4096
MIB = 1 << 20

# No condition of a case takes so long, on however busy a machine.
DEADLINE = 120

COUNTS = re.compile(
    r"hsmtrail: (\d+) records? read: (\d+) enriched, (\d+) passed, (\d+) filtered, (\d+) rejected; (\d+) bytes in, (\d+) bytes out"
)

CASES = {}


class Skipped(Exception):
    """This machine lacks what the case needs."""


def case(name):
    """Makes a function a case. README's table has a row of that name."""

    def register(run):
        CASES[name] = run
        return run

    return register


def require(condition, what):
    if not condition:
        raise AssertionError(what)


# ---- records -------------------------------------------------------------------------------------------------


class Corpus:
    """Numbered records, some of them CloudHSM's, some of them rejects, and what comes out for them."""

    def __init__(self, binary, count, seed, reject_every=50):
        rng = random.Random(f"{seed}/{count}/{reject_every}")
        self.lines = [self.line(number, rng, reject_every) for number in range(count)]
        self.input = b"".join(self.lines)
        self.count = count
        done = subprocess.run([binary, "--workers", "1"], input=self.input, capture_output=True, env=environment())
        self.output = done.stdout
        self.results = self.output.splitlines(keepends=True)
        self.check(done)
        # So many of the first n results are rejects.
        self.rejects = [0]
        for line in self.results:
            self.rejects.append(self.rejects[-1] + line.startswith(b'{"hsmtrail_reject":'))
        self.status = 1 if self.rejects[-1] else 0
        self.passed = b"".join(line for line in self.results if not line.startswith(b'{"hsmtrail_reject":'))

    @staticmethod
    def line(number, rng, reject_every):
        pad = "x" * rng.randrange(1, 900)
        if reject_every and number % reject_every == reject_every - 1:
            return f'{{"n":{number},"pad":"{pad}","bad":tru}}\n'.encode()
        if number % 20 == 3:
            service, name = "cloudhsm", rng.choice(("DeleteHsm", "DescribeClusters", "PutResourcePolicy"))
        else:
            service, name = rng.choice(("s3", "ec2", "sts")), "GetObject"
        return (
            f'{{"n":{number},"eventTime":"2026-03-07T12:{number // 60 % 60:02}:{number % 60:02}Z",'
            f'"eventSource":"{service}.amazonaws.com","eventName":"{name}","requestParameters":{{"pad":"{pad}"}}}}\n'
        ).encode()

    def check(self, done):
        """The run without a fault, held against the input itself."""
        require(len(self.results) == self.count, f"{len(self.results)} of {self.count} records without a fault: {done.stderr}")
        offset = 0
        for number, (line, result) in enumerate(zip(self.lines, self.results)):
            if line.endswith(b'"bad":tru}\n'):
                reject = json.loads(result)["hsmtrail_reject"]
                found = (reject["reason"], reject["record"], reject["offset"], reject["raw"].encode() + b"\n")
                require(found == ("malformed", number + 1, offset, line), f"reject {number}: {result}")
            elif b'"cloudhsm.amazonaws.com"' in line:
                require(result.startswith(line[:-2] + b',"cloudhsm":{"version":1,'), f"record {number}: {result}")
            else:
                require(result == line, f"record {number}: {result}")
            offset += len(line)


@dataclass
class Account:
    """What came of the runs of one case, added up."""

    runs: int = 0
    records: int = 0
    out: int = 0
    rejected: int = 0
    left: int = 0
    statuses: set = field(default_factory=set)
    notes: list = field(default_factory=list)

    @property
    def lost(self):
        return self.records - self.out - self.rejected - self.left

    def note(self, text):
        self.notes.append(text)

    def add(self, records, out, rejected, status, told):
        """One run. What did not come out is left, not lost, when it is the end of the input and the run has `told`."""
        self.runs += 1
        self.records += records
        self.out += out
        self.rejected += rejected
        self.left += records - out - rejected if told else 0
        self.statuses.add(status)

    def whole(self, corpus, done, summary=True):
        """A run that gave everything."""
        begins(done, corpus)
        require(len(done.out) == len(corpus.output), f"{len(done.out)} bytes out; status {done.status}, {done.err[:500]}")
        require(done.status == corpus.status, f"status {done.status} instead of {corpus.status}: {done.err[:500]}")
        rejected = corpus.rejects[-1]
        if summary:
            read, enriched, passed, filtered, counted, _, size = done.counts()
            require((read, counted, filtered) == (corpus.count, rejected, 0), done.err)
            require(enriched + passed == corpus.count - rejected and size == len(done.out), done.err)
        self.add(corpus.count, corpus.count - rejected, rejected, done.status, False)

    def prefix(self, corpus, done, statuses, torn=False, exact=False):
        """A run that ended early: whole lines, the beginning of the full output, and an end that tells. `exact`: the
        summary counts what is there."""
        out = done.out
        whole = out[: out.rfind(b"\n") + 1]
        require(torn or whole == out, f"a torn last line: {out[-200:]}; status {done.status}, {done.err[:500]}")
        begins(done, corpus)
        complete = len(out) == len(corpus.output)
        require(done.status in statuses or (complete and done.status == corpus.status), f"status {done.status}: {done.err[:500]}")
        lines = whole.count(b"\n")
        rejected = corpus.rejects[lines]
        if exact:
            read, enriched, passed, filtered, counted, _, size = done.counts()
            require((read, enriched + passed, filtered, counted, size) == (lines, lines - rejected, 0, rejected, len(out)), done.err)
        self.add(corpus.count, lines - rejected, rejected, done.status, not complete)


def begins(done, corpus):
    """The output is the beginning of the full output."""
    if corpus.output.startswith(done.out):
        return
    at = next((at for at, (a, b) in enumerate(zip(done.out, corpus.output)) if a != b), len(corpus.output))
    found, expected = (text[max(0, at - 40) : at + 40] for text in (done.out, corpus.output))
    raise AssertionError(f"of {len(done.out)} bytes number {at} differs: {found} not {expected}; {done.status}, {done.err[:500]}")


# ---- the filter ----------------------------------------------------------------------------------------------


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("HSMTRAIL_")}


@dataclass
class Done:
    out: bytes
    err: str
    status: int

    def counts(self):
        found = COUNTS.search(self.err)
        require(found, f"no summary: {self.err[:500]}")
        return tuple(map(int, found.groups()))


class Filter:
    """The filter, running. Everything that it says on stderr is kept, and what it writes to a pipe of ours."""

    def __init__(self, world, args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, wrap=(), env=None, stderr=None):
        self.process = subprocess.Popen(
            [*wrap, world.binary, *map(str, args)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr or subprocess.PIPE,
            env={**environment(), **(env or {})},
            bufsize=0,
            cwd=world.place,
        )
        self.out, self.err, self.threads = bytearray(), bytearray(), []
        self.accepted, self.is_read = 0, False
        # The longest time between two of our reads.
        self.read_at, self.pause = None, 0.0
        if self.process.stderr:
            self.thread(self.collect, self.process.stderr, self.err)

    @property
    def pid(self):
        return self.process.pid

    def thread(self, run, *args):
        thread = threading.Thread(target=run, args=args, daemon=True)
        thread.start()
        self.threads.append(thread)
        return thread

    @staticmethod
    def collect(stream, into):
        while piece := os.read(stream.fileno(), 1 << 16):
            into += piece

    def feed(self, data, sizes=None, pause=0.0, close=True):
        """Writes `data` from a thread of its own, in pieces of these sizes over and over, until nobody reads."""
        return self.thread(self.write, data, sizes or [1 << 16], pause, close)

    def write(self, data, sizes=(1 << 30,), pause=0.0, close=False):
        stdin, at, turn = self.process.stdin, 0, 0
        view = memoryview(data)
        try:
            while at < len(view):
                size = sizes[turn % len(sizes)]
                written = os.write(stdin.fileno(), view[at : at + size])
                at, turn = at + written, turn + 1
                self.accepted += written
                if pause:
                    time.sleep(pause)
        except BrokenPipeError:
            pass
        if close:
            stdin.close()

    def read(self, size=1 << 16):
        """Some more of the output; nothing at its end."""
        piece = os.read(self.process.stdout.fileno(), size)
        now = time.monotonic()
        self.pause = max(self.pause, now - (self.read_at or now))
        self.read_at = now
        self.out += piece
        return piece

    def read_all(self):
        while self.read():
            pass

    def reader(self):
        self.is_read = True
        return self.thread(self.read_all)

    def wait_for(self, what, condition):
        wait_until(what, lambda: condition() or self.process.poll() is not None)
        require(condition(), f"{what}: ended with {self.process.poll()} before, {bytes(self.err[:500])}")

    def signal(self, number):
        self.process.send_signal(number)

    def status_of(self, key):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise KeyError(key)

    def peak(self):
        """The most memory so far, in MiB. (What wait4 tells begins with the memory of this process.)"""
        return self.status_of("VmHWM") / 1024

    def wait(self):
        """Its end. What it writes to our pipe is read meanwhile, unless that is being done already."""
        if self.process.stdout and not self.is_read:
            self.reader()
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it does not end: {len(self.out)} bytes out, {bytes(self.err[:500])}") from None
        for thread in self.threads:
            thread.join(DEADLINE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        done = Done(bytes(self.out), self.err.decode(errors="replace"), status)
        require("panicked" not in done.err, done.err[:2000])
        return done


class World:
    """What the cases share: the binary, a seed, a place for files."""

    def __init__(self, binary, seed, place):
        self.binary, self.seed, self.place = str(binary), seed, place
        self.corpora, self.lock = {}, threading.Lock()

    def corpus(self, count, reject_every=50):
        with self.lock:
            key = (count, reject_every)
            if key not in self.corpora:
                self.corpora[key] = Corpus(self.binary, count, self.seed, reject_every)
            return self.corpora[key]

    def random(self, name):
        return random.Random(f"{self.seed}/{name}")

    def directory(self):
        return Path(tempfile.mkdtemp(dir=self.place))

    def run(self, args, data=b"", **options):
        running = Filter(self, args, **options)
        running.feed(data)
        return running.wait()


def wait_until(what, condition):
    """Time is a limit here, never an expectation."""
    end = time.monotonic() + DEADLINE
    while not condition():
        require(time.monotonic() < end, f"{what}: not in {DEADLINE} s")
        time.sleep(0.005)


# ---- pipes and disks -----------------------------------------------------------------------------------------


def pipe(size=None):
    """The two ends of a pipe that holds so many bytes."""
    reader, writer = os.pipe()
    if size:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, size)
    return reader, writer


def small_socket():
    """Two ends of a socket that hold hardly more than a page, which the filter cannot change."""
    ends = socket.socketpair()
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    return [end.detach() for end in ends]


def is_full(descriptor):
    """Whether a pipe takes nothing more at the moment."""
    return not select.select([], [descriptor], [], 0)[1]


@contextmanager
def small_disk(world, size):
    """A file system of its own with so many bytes."""
    place = world.directory()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], capture_output=True)
    if mount.returncode != 0:
        raise Skipped("no tmpfs may be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def tool(name):
    found = shutil.which(name)
    if not found:
        raise Skipped(f"{name} is not installed")
    return found
