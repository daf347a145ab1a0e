"""Too little of what a process needs: ports, descriptors, memory, a clock that is right."""

import base64
import errno
import gzip
import os
import re
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from harness import MIB, Account, Filter, Skipped, case, require, wait_until

# The README's formula in MiB, at the default limit of 1 MiB a record.
BASE, A_WORKER, A_TIMES, A_TIMES_KEPT, A_READER = 16, 48, 32, 200, 15


KEEP = ["--envelope", "keep"]


def formula(workers=2, kept=False, readers=0):
    return BASE + workers * (A_WORKER + (A_TIMES_KEPT if kept else A_TIMES)) + readers * A_READER


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()


def scrape(address, path="/metrics"):
    with socket.create_connection(address, timeout=60) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := client.recv(1 << 16):
            answer += piece
    return answer


def sample(text, series):
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    require(found, f"no {series}")
    return float(found[1])


# ---- the endpoint --------------------------------------------------------------------------------------------


@case("metrics port taken")
def taken_port(world):
    account, corpus = Account(), world.corpus(2000)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        for level, warnings in (("error", 0), ("warn", 1)):
            done = world.run(["--summary", "--log-level", level, "--metrics-listen", address], corpus.input)
            require(done.err.count(address) == warnings, done.err)
            account.whole(corpus, done)
    return account


@case("half-open scrapes")
def half_open(world):
    """10 000 clients that connect and say nothing, all before the first record."""
    account, corpus, address = Account(), world.corpus(40_000), free_address()
    took = {}
    for count in (0, 10_000):
        running = Filter(world, ["--workers", 2, "--summary", "--metrics-listen", "{}:{}".format(*address)])
        running.reader()
        running.write(b"\n")
        wait_until("the endpoint", lambda: connects(address))
        clients = []
        try:
            for number in range(count):
                client = socket.socket()
                client.setblocking(False)
                # Many addresses, as one has not so many ports.
                client.bind((f"127.0.{number // 5000 + 1}.1", 0))
                clients.append(client)
                require(client.connect_ex(address) in (0, errno.EINPROGRESS), "a client cannot connect")
            begun = time.process_time(), time.monotonic()
            running.write(corpus.input)
            wanted = len(corpus.output)
            running.wait_for("all records", lambda: len(running.out) == wanted)
            took[count] = time.monotonic() - begun[1]
            open_descriptors = len(os.listdir(f"/proc/{running.pid}/fd"))
            peak, threads = running.peak(), running.status_of("Threads")
        finally:
            for client in clients:
                client.close()
        # When they are gone it answers again.
        text = scrape(address).decode()
        require(sample(text, 'hsmtrail_records_total{outcome="rejected"}') == corpus.rejects[-1], text)
        running.write(b"", close=True)
        done = running.wait()
        require(open_descriptors < 64 and peak < formula() and threads < 32, f"{open_descriptors} descriptors, {peak:.0f} MiB")
        # The line break before the records counts as a byte of the input only.
        done.out = bytes(running.out)
        rejected = corpus.rejects[-1]
        require(done.out.count(b"\n") == corpus.count and done.counts()[0] == corpus.count, done.err)
        account.add(corpus.count, corpus.count - rejected, rejected, done.status, False)
    account.note(f"{took[10_000]:.2f} s instead of {took[0]:.2f} s, {open_descriptors} descriptors, {peak:.0f} MiB")
    # That is: not held up by them. Ten seconds is how long one may stay connected.
    require(took[10_000] < took[0] * 5 + 5, account.notes[-1])
    return account


def connects(address):
    try:
        socket.create_connection(address).close()
    except ConnectionRefusedError:
        return False
    return True


# ---- descriptors ---------------------------------------------------------------------------------------------


def limited(option, number):
    return ["sh", "-c", f'ulimit -{option} {number} && exec "$0" "$@"']


@case("out of threads")
def no_threads(world):
    """It begins with what it needs, or says that it cannot."""
    account, corpus = Account(), world.corpus(2000)
    path = world.directory() / "in"
    path.write_bytes(corpus.input)
    with cgroup((("pids", "pids.max"), ("", "pids.max"))) as (group, limit):
        for count in range(1, 14):
            limit.write_text(str(count))
            for args in ([], ["--metrics-listen", "127.0.0.1:0", path]):
                options = {"stdin": subprocess.DEVNULL} if args else {}
                running = Filter(world, ["--summary", "--workers", 3, *args], wrap=entering(group), **options)
                if not args:
                    running.feed(corpus.input)
                done = running.wait()
                done.out = done.out.replace(str(path).encode(), b"stdin")
                if done.status == 3:
                    require("Resource temporarily unavailable" in done.err and done.out == b"", done.err)
                    account.prefix(corpus, done, {3})
                else:
                    require(done.counts()[0] == corpus.count and not done.err.count("cannot"), done.err)
                    account.prefix(corpus, done, {1})
        limit.write_text("9")
        sent_away(world, account, group)
    return account


def sent_away(world, account, group):
    """A client that there is no thread for is sent away, and the exit status tells."""
    path = world.directory() / "socket"
    args = ["--summary", "--workers", 1, "--listen", f"unix:{path}"]
    running = Filter(world, args, stdin=subprocess.DEVNULL, wrap=entering(group))
    running.reader()
    running.wait_for("the socket", path.exists)
    clients = []
    for number in range(20):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        clients.append(client)
        try:
            client.sendall(b'{"n":1}\n')
        except (BrokenPipeError, ConnectionResetError):
            pass
    told = lambda: running.err.count(b"Resource temporarily unavailable")  # noqa: E731
    running.wait_for("an answer to each", lambda: running.out.count(b"\n") + told() == 20)
    running.signal(15)
    done = running.wait()
    for client in clients:
        client.close()
    taken = done.out.count(b"\n")
    require(0 < taken < 20 and done.status == 3 and done.counts()[0] == taken, f"{taken} of 20, status {done.status}: {done.err}")
    account.add(20, taken, 0, done.status, True)


@case("out of file descriptors")
def no_descriptors(world):
    account = Account()
    corpus = world.corpus(2000, reject_every=0)
    place = world.directory()
    files = [place / f"{number:02}.json" for number in range(40)]
    for number, path in enumerate(files):
        path.write_bytes(b"".join(corpus.lines[number * 50 : number * 50 + 50]))
    everything = ["--workers", 3, "--metrics-file", place / "h.prom", "--metrics-listen", "127.0.0.1:0"]
    least = None
    for limit in range(3, 40):
        for args in (["--output", place / "out", *files], [*everything, "--output", place / "out", *files]):
            (place / "out").unlink(missing_ok=True)
            done = Filter(world, ["--summary", *args], stdin=subprocess.DEVNULL, wrap=limited("n", limit)).wait()
            written = (place / "out").read_bytes() if (place / "out").exists() else b""
            if done.status == 0:
                least = least or limit
                require(written == corpus.output, f"{limit} descriptors: {len(written)} bytes, and nothing said")
                account.add(corpus.count, corpus.count, 0, 0, False)
                continue
            # 127: not even the linker could open a library.
            require(done.status in (3, 127) and done.err.startswith(("hsmtrail: ", "/")), f"{limit}: {done.status} {done.err}")
            lines = written.splitlines(keepends=True)
            # A file that could not be opened is named; those that could be are there, in order.
            rest = iter(corpus.results)
            require(all(line in rest for line in lines), f"{limit} descriptors: not in order")
            account.add(corpus.count, len(lines), 0, done.status, True)
    account.note(f"all is read from {least} descriptors on")
    listening(world, account, corpus)
    return account


def listening(world, account, corpus):
    """More clients than descriptors: they wait for each other."""
    path = world.directory() / "socket"
    running = Filter(world, ["--summary", "--listen", f"unix:{path}"], stdin=subprocess.DEVNULL, wrap=limited("n", 32))
    running.reader()
    running.wait_for("the socket", path.exists)
    clients = []
    for number in range(60):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        clients.append(client)
    # Each of them has sent all before any of them goes.
    for number, client in enumerate(clients):
        client.sendall(b"".join(corpus.lines[number * 30 : number * 30 + 30])[: 1 << 17])
    for client in clients:
        client.close()
    sent = 60 * 30
    running.wait_for("all records", lambda: running.out.count(b"\n") >= sent)
    running.signal(15)
    done = running.wait()
    require(sorted(done.out.splitlines()) == sorted(line[:-1] for line in corpus.results[:sent]), "the records of all clients")
    require(done.counts()[0] == sent and done.status == 0, f"{done.status} {done.err}")
    account.add(sent, sent, 0, 0, False)


# ---- memory --------------------------------------------------------------------------------------------------


@contextmanager
def cgroup(places):
    """A group of processes of its own, in the first place that there is, of version 1 or 2; and the file of a limit."""
    for controller, key in places:
        group = Path("/sys/fs/cgroup") / controller / f"hsmtrail-faults-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / key).exists():
                yield group, group / key
                return
        finally:
            wait_until("the end of the group", lambda: removed(group))
    raise Skipped(f"no cgroup may be made here that has {places[0][1]}")


def entering(group):
    """A command that enters it."""
    return ["sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$0" "$@"']


def removed(group):
    try:
        group.rmdir()
    except OSError:
        return not group.exists()
    return True


def stream(running, start, unit, length, end):
    """Writes start, then units until `length` bytes, then end."""
    piece = unit * max(1, MIB // len(unit))
    running.write(start)
    for _ in range(-(-length // len(piece))):
        running.write(piece)
    running.write(end)
    return -(-length // len(piece)) * (len(piece) // len(unit))


@case("64 MiB of memory")
def little_memory(world):
    """As a cgroup counts them, where one may be made, and as `ulimit -v` does, which counts stacks and libraries too."""
    account, record = Account(), world.corpus(2000, reject_every=0).lines[0][:-1]

    def check(wrap):
        for start, between, end in ((b"", b"\n", b""), (b'{"Records":[', b",", b"{}]}")):
            for workers in (1, 2):
                running = Filter(world, ["--summary", "--workers", workers], stdout=subprocess.DEVNULL, wrap=wrap)
                count = stream(running, start, record + between, 200 * MIB, end) + (end != b"")
                running.write(b"", close=True)
                done = running.wait()
                require(done.status == 0 and done.counts()[0] == count, f"status {done.status}, {done.err}")
                account.add(count, done.counts()[1] + done.counts()[2], 0, 0, False)

    check(limited("v", 64 * 1024))
    try:
        with cgroup((("memory", "memory.limit_in_bytes"), ("", "memory.max"))) as (group, limit):
            limit.write_text(str(64 * MIB))
            check(entering(group))
            account.note(f"ulimit -v; cgroup, {limit.name}")
    except (Skipped, OSError) as reason:
        account.note(f"ulimit -v; {reason}")
    return account


@case("hostile input, memory")
def memory(world):
    """The most costly inputs that are known, held against the README's formula."""
    account = Account()
    quoted = '{"eventSource":"cloudhsm.amazonaws.com"}'.replace('"', '\\"')
    many = '{"message":"{\\"Records\\":[' + f"{quoted}," * 20_000 + '{}]}"}\n'
    # Gzip in a record, which may unfold to 32 768 others, sixteen times as long as it may be.
    padded = quoted[:-1] + ',\\"pad\\":\\"' + "x" * 380 + '\\"}'
    messages = f'{{"message":"{padded}"}},' * 32_000
    inside = f'{{"messageType":"DATA_MESSAGE","logEvents":[{messages}{{}}]}}'.encode()
    unfolding = b'{"awslogs":{"data":"' + base64.b64encode(gzip.compress(inside)) + b'"}}\n'
    costly = '{"eventSource":"cloudhsm.amazonaws.com","a":[' + "1," * 500_000 + "1]},"
    floods = {
        "one document of 1.1 GiB on one line": ([], b'{"Records":[', b'{"a":"' + b"x" * 1000 + b'"},', 1100 * MIB, b"{}]}"),
        "one-byte rejects in lines": ([], b"", b"1\n", 3 * MIB, b""),
        "one-byte rejects in an array": ([], b"[", b"1,", 3 * MIB, b"1]"),
        "long records and one-byte rejects": ([], b"[", (costly + "1," * 260_000).encode(), 5 * MIB, b"1]"),
        "a string without an end": ([], b'{"a":"', b"x" * 8192, 256 * MIB, b""),
        "many events in a record": ([], b"", many.encode(), 8 * MIB, b""),
        "many events in a record, kept": (KEEP, b"", many.encode(), 8 * MIB, b""),
        "gzip in a record": ([], b"", unfolding, 10 * len(unfolding), b""),
        "gzip in a record, kept": (KEEP, b"", unfolding, 10 * len(unfolding), b""),
    }
    for name, (args, start, unit, length, end) in floods.items():
        hold_against(formula(kept=bool(args)), account, name, *most_memory(world, args, start, unit, length, end))
    # One read(2) of a file gives more than one of a pipe.
    file = world.directory() / "in.json"
    file.write_text("[" + (costly + "1," * 1_000_000) * 10 + "1]")
    hold_against(formula(), account, "long records and one-byte rejects in a file", *most_memory_of_files(world, file))
    readers(world, account)
    return account


def hold_against(allowed, account, name, peak, done):
    read, enriched, passed, filtered, rejected, *_ = done.counts()
    require(filtered == 0 and read > 0, done.err)
    require(peak < allowed, f"{name}: {peak:.0f} MiB of {allowed} MiB")
    account.add(read, enriched + passed, rejected, done.status, False)
    account.note(f"{name}: {peak:.0f} MiB of {allowed}")


def most_memory(world, args, start, unit, length, end):
    """Its peak over this input, with a reader that takes nothing until everything in between is full."""
    running = Filter(world, ["--summary", "--workers", 2, *args])
    running.is_read = True
    feeding = running.thread(stream, running, start, unit, length, end)
    accepted = -1
    # If it comes to rest later than that, the case says less; it does not fail.
    while accepted != running.accepted:
        accepted = running.accepted
        time.sleep(0.3)
    running.thread(discard, running.process.stdout)
    feeding.join()
    peak = running.peak()
    running.write(b"", close=True)
    return peak, running.wait()


def discard(stream):
    while os.read(stream.fileno(), MIB):
        pass


def most_memory_of_files(world, *inputs):
    """Its peak when all of them were read."""
    fifo = world.directory() / "fifo"
    os.mkfifo(fifo)
    running = Filter(world, ["--summary", "--workers", 2, *inputs, fifo], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    # It is opened when all of the others were read.
    with open(fifo, "wb"):
        peak = running.peak()
    return peak, running.wait()


def readers(world, account):
    """Several files at once: one by each thread, and the one in turn."""
    place, count = world.directory(), 12
    record = b'{"a":"' + b"x" * 500_000 + b'"}\n'
    for number in range(count):
        (place / f"{number:02}.json").write_bytes(record * 40)
    peak, done = most_memory_of_files(world, place)
    require(done.status == 0 and done.counts()[0] == count * 40, done.err)
    hold_against(formula(readers=3), account, "several files at once", peak, done)


# ---- the clock -----------------------------------------------------------------------------------------------


def faketime():
    for path in sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")):
        return path
    raise Skipped("libfaketime is not installed")


@case("clock steps backwards")
def clock(world):
    """By years, back and forth, while it runs and while input pauses."""
    account, corpus = Account(), world.corpus(2000)
    place = world.directory()
    now, metrics = place / "now", place / "h.prom"

    def step(text):
        now.with_suffix(".new").write_text(text)
        now.with_suffix(".new").rename(now)

    step("2026-03-08 00:00:00")
    env = {
        "LD_PRELOAD": str(faketime()),
        "FAKETIME_TIMESTAMP_FILE": str(now),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    running = Filter(world, ["--summary", "--metrics-file", metrics], env=env)
    running.reader()
    times = ("2026-03-08 00:00:00", "2020-01-01 00:00:00", "1970-01-02 00:00:00", "2037-01-01 00:00:00", "2001-01-01 00:00:00")
    parts = 20
    size = corpus.count // parts
    for part in range(parts):
        step(times[part % len(times)])
        running.write(b"".join(corpus.lines[part * size : part * size + size]))
        # Each part comes out before the next one goes in: the flush interval knows no clock.
        wanted = sum(map(len, corpus.results[: part * size + size]))
        running.wait_for("the records so far", lambda: len(running.out) >= wanted)
    running.write(b"", close=True)
    account.whole(corpus, running.wait())
    text = metrics.read_text()
    values = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")]
    require(min(values) >= 0, "a number below 0")
    delays = sample(text, "hsmtrail_cloudhsm_delivery_delay_seconds_count")
    require(delays == corpus.output.count(b'"cloudhsm":{"version":1,'), f"{delays} delays")
    # Some came from the future, some in time, some late by years: the clock was false indeed.
    at_once = sample(text, 'hsmtrail_cloudhsm_delivery_delay_seconds_bucket{le="1"}')
    require(0 < at_once < delays, f"{at_once} of {delays} at once")
    return account
