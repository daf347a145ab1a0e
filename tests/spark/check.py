"""Runs examples/spark on a cluster of two workers, and compares what comes out with hsmtrail alone.

    python tests/spark/check.py HSMTRAIL DIRECTORY

The interpreter has pyspark; the directory is empty. Everything is on the loopback interface.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gzip
import io
import json
import os
import random
import re
import stat
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyspark
from pyspark.sql import SparkSession

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "spark"
PATIENCE_SECONDS = 3600

RECORDS = 10_000
LONGEST = 256 * 1024
ACCOUNTS = ("111122223333", "444455556666", "012345678901")
REGIONS = ("eu-west-1", "us-east-1")
DAYS = ("2023-12-31", "2024-01-01", "2024-02-29", "2026-03-07")
OPERATIONS = ("DescribeClusters", "CreateHsm", "DeleteHsm", "DeleteBackup", "PutResourcePolicy")
ENRICHMENT = ',"cloudhsm":{"version":1,'

# What a program that reads and writes JSON, or text, would alter.
ODD_MEMBERS = (
    r'"n":1.0,"m":12345678901234567890,"e":1E400',
    r'"text":"\ud800 \u00e9 \/ \\n"',
    '"text":"é \u2028 \x85 \u00a0 😀"',
    '"a":1,\t"a" : 2',
    '"requestParameters":{"eventTime":"1999-01-01T00:00:00Z","recipientAccountId":"0"}',
)


def record(chance: random.Random, number: int, account: str, region: str, day: str) -> str:
    """An event, told from all others by its number."""
    is_cloudhsm = chance.random() < 0.05
    source = "cloudhsm" if is_cloudhsm else chance.choice(("s3", "ec2", "kms", "sts"))
    name = chance.choice(OPERATIONS) if is_cloudhsm else "GetObject"
    text = (
        f'{{"eventVersion":"1.08","userIdentity":{{"type":"IAMUser","accountId":"{account}"}},'
        f'"eventTime":"{day}T12:00:{number % 60:02}Z","eventSource":"{source}.amazonaws.com",'
        f'"eventName":"{name}","awsRegion":"{region}","eventID":"{number:08}"'
    )
    if number % 3:
        text += f',"recipientAccountId":"{account}"'
    if number % 7 == 0:
        text += "," + chance.choice(ODD_MEMBERS)
    if number % 400 == 0:
        padding = LONGEST - len(text.encode()) - len(',"padding":""}')
    else:
        padding = chance.randrange(300)
    return f'{text},"padding":"{chance.choice("xyz") * padding}"}}'


def log_file(records: list[str], form: int) -> str:
    """The records in one of the forms that log files have."""
    match form:
        case 0:
            return "\n".join(records)
        case 1:
            # Breaks between the tokens of a record, which a host of lines would take apart.
            spread = ["{\n    " + text[1:-1] + "\n  }" for text in records]
            return '{\n "Records": [\n  ' + ",\n  ".join(spread) + "\n ]\n}\n"
        case _:
            return '{"Records":[' + ",".join(records) + "]}"


def make_archive(root: Path) -> list[str]:
    """An archive under CloudTrail's keys; the records that are in it, without the damaged ones."""
    chance = random.Random(7)
    places = [(account, region, day) for account in ACCOUNTS for region in REGIONS for day in DAYS]
    files = [(*place, part) for place in places for part in range(2)]
    all_records = []
    for number, (account, region, day, part) in enumerate(files):
        numbers = range(number, RECORDS, len(files))
        records = [record(chance, at, account, region, day) for at in numbers]
        all_records += records
        if number % 10 == 3:
            records.insert(5, '{"damaged": nothing}')
        year, month, date = day.split("-")
        path = root / account / "CloudTrail" / region / year / month / date
        path.mkdir(parents=True, exist_ok=True)
        # Every tenth has a name that another account's has, too.
        name = "part" if number % 10 == 0 else f"{account}_CloudTrail_{region}_{day}_{part}"
        content = gzip.compress(log_file(records, number % 4).encode(), 1)
        (path / f"{name}.json.gz").write_bytes(content)
    return all_records


def alone(binary: str, files: list[Path], *options: str) -> tuple[Counter[str], Counter[str]]:
    """The lines that hsmtrail writes by itself, and what it counts."""
    done = subprocess.run(
        [binary, "--stderr-protocol=hadoop", *options, *files], capture_output=True, env={}
    )
    assert done.returncode in (0, 1), done.stderr
    lines = Counter(done.stdout.decode().split("\n")[:-1])
    counters: Counter[str] = Counter()
    for line in done.stderr.decode().splitlines():
        # Now and then it gives a sign of life, on a machine that is busy.
        if not line.startswith("reporter:status:"):
            name, amount = line.removeprefix("reporter:counter:hsmtrail,").split(",")
            counters[name] += int(amount)
    return lines, counters


def lines_of(output: Path, kind: str) -> list[tuple[dict[str, str], str]]:
    """The lines of a kind, each with the partition that it stands in."""
    found = []
    for path in sorted(output.glob(f"kind={kind}/**/part-*")):
        partition = dict(part.split("=", 1) for part in path.parent.relative_to(output).parts)
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = text.decode().split("\n")
        assert lines.pop() == "", f"{path} ends inside a line"
        found += [(partition, line) for line in lines]
    return found


def without_source(reject: str) -> str:
    """A reject but for the name of its source, which is another one on a cluster."""
    return re.sub(r'"source":"[^"]*"', "", reject)


def check_partitions(lines: list[tuple[dict[str, str], str]]) -> None:
    """Each record stands where its own members say."""
    for partition, line in lines:
        said = json.loads(line)
        account = said.get("recipientAccountId") or said["userIdentity"]["accountId"]
        severity = said.get("cloudhsm", {}).get("severity", "none")
        place = {"date": said["eventTime"][:10], "account": account, "severity": severity}
        assert partition == {"kind": "record", **place}, (partition, line[:500])


def check_output(
    output: Path, expected: tuple[Counter[str], Counter[str]], told: dict[str, int]
) -> Counter[str]:
    """The output holds these lines and counts, each line in its place."""
    lines, counters = expected
    rejects = Counter({text: n for text, n in lines.items() if text.startswith('{"hsmtrail_reject":')})
    records, found = lines - rejects, lines_of(output, "record")
    check_partitions(found)
    assert Counter(line for _, line in found) == records, "records differ"
    found_rejects = [line for _, line in lines_of(output, "reject")]
    assert Counter(map(without_source, found_rejects)) == Counter(
        without_source(text) for text in rejects.elements()
    ), "rejects differ"

    written = [line for _, line in found] + found_rejects
    counters["output_bytes"] = sum(len(line.encode()) + 1 for line in written)
    assert told == counters, (told, counters)
    assert (output / "_SUCCESS").exists()
    return records


def check_input(output: Counter[str], records: list[str]) -> None:
    """What came out without its enrichment is what was put into the archive."""
    stripped = []
    for line in output.elements():
        record, mark, _ = line.rpartition(ENRICHMENT)
        stripped.append(record + "}" if mark else line)
    assert sorted(stripped) == sorted(records), "records are lost, cut or altered"


def failure_of(call: Any, *arguments: Any) -> str:
    """What a call says that has to fail."""
    try:
        call(*arguments)
    except Exception as error:  # Spark has many kinds
        return str(error)
    raise AssertionError("it does not fail")


def prepare(work: Path) -> dict[str, str]:
    """Environment and settings of a cluster that leaves nothing outside the directory."""
    home = work / "spark"
    home.mkdir()
    # The workers' directories are made in Spark's home.
    for part in Path(pyspark.__file__).parent.iterdir():
        (home / part.name).symlink_to(part)
    # They would be options of every hsmtrail that inherits them.
    for name in [name for name in os.environ if name.startswith("HSMTRAIL_")]:
        del os.environ[name]
    os.environ.update(
        SPARK_HOME=str(home),
        SPARK_LOCAL_IP="127.0.0.1",
        SPARK_LOCAL_HOSTNAME="localhost",
        SPARK_LOCAL_DIRS=str(work / "scratch"),
        PYSPARK_PYTHON=sys.executable,
        PYSPARK_DRIVER_PYTHON=sys.executable,
        PYTHONDONTWRITEBYTECODE="1",
    )
    return {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        # Nobody is taken for dead who only does not get to run.
        "spark.network.timeout": "600s",
        "spark.worker.timeout": "600",
        "spark.python.authenticate.socketTimeout": "600s",
        # Both workers are there before a task is given out.
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        "spark.scheduler.maxRegisteredResourcesWaitingTime": "600s",
        # So that a small archive is more than one partition.
        "spark.files.openCostInBytes": "1",
        "spark.files.maxPartitionBytes": "50000",
        "spark.sql.shuffle.partitions": "2",
    }


MASTER = "local-cluster[2,1,1024]"


def submit(settings: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Runs the example as a user does."""
    confs = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
    command = [f"{os.environ['SPARK_HOME']}/bin/spark-submit", "--master", MASTER, *confs]
    return subprocess.run(
        [*command, str(EXAMPLE / "archive.py"), *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS / 2,
    )


def check_submitted(binary: str, work: Path, records: list[str], settings: dict[str, str]) -> None:
    """The whole archive, by spark-submit."""
    output = work / "all"
    words = ["--hsmtrail", binary, pattern(work), str(output), "--", "--validate", "all"]
    done = submit(settings, *words)
    assert done.returncode == 1, f"{done.returncode} and not 1, for rejects:\n{done.stderr}"
    expected = alone(binary, files(work))
    found = check_output(output, expected, json.loads(done.stdout))
    check_input(found, records)
    tasks = {path.name.split("-")[1] for path in output.glob("kind=*/**/part-*")}
    assert len(tasks) >= 4, f"{len(tasks)} partitions are too few to show anything"
    print(f"ok: {sum(found.values())} records on {len(tasks)} partitions")


def pattern(work: Path) -> str:
    return f"{work}/AWSLogs/*/CloudTrail/*/*/*/*/*.json.gz"


def files(work: Path) -> list[Path]:
    return sorted((work / "AWSLogs").rglob("*.json.gz"))


def check_in_session(binary: str, work: Path, settings: dict[str, str]) -> None:
    """What needs a failure now and then, in one session."""
    builder = SparkSession.builder.master(MASTER)
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    try:
        spark.sparkContext.addPyFile(str(EXAMPLE / "archive.py"))
        wait_for_workers(spark.sparkContext, 2)
        check_attempts(binary, work, spark)
        check_damage(binary, work)
        check_lines(spark.sparkContext, binary, work)
    finally:
        spark.stop()


def wait_for_workers(context: pyspark.SparkContext, number: int) -> None:
    """Returns when so many have registered: a session begins before its workers are there."""
    give_up = time.monotonic() + PATIENCE_SECONDS / 6
    # The driver is in that list as well.
    while (found := context._jsc.sc().getExecutorMemoryStatus().size() - 1) != number:
        assert time.monotonic() < give_up, f"{found} workers instead of {number}"
        time.sleep(0.1)


def job(*words: str) -> dict[str, int]:
    """What the job tells of a run within the session that there is."""
    import archive

    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        archive.main(list(words))
    counters: dict[str, int] = json.loads(told.getvalue())
    return counters


def check_attempts(binary: str, work: Path, spark: SparkSession) -> None:
    """A task that fails after all its output is done again, and counts once."""
    marker, wrapper = work / "failed-once", work / "fails-once"
    wrapper.write_text(f"""#!/bin/sh
"{binary}" "$@"
status=$?
mkdir "{marker}" 2>/dev/null || exit $status
pwd >"{marker}/directory"
exit 3
""")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    output = work / "again"
    told = job(
        "--hsmtrail", str(wrapper), "--compression", "gzip", pattern(work), str(output),
        "--", "--select", "cloudhsm",
    )  # fmt: skip
    directory = Path((marker / "directory").read_text().strip())
    assert directory.is_relative_to(work / "scratch"), f"files were put into {directory}"
    assert not directory.exists(), "the files of an attempt that failed are still there"
    found = check_output(output, alone(binary, files(work), "--select", "cloudhsm"), told)

    # As the README says.
    spark.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
    grave = spark.read.text(str(output)).where("kind = 'record' and severity = 'critical'")
    assert grave.count() == told["cloudhsm_severity_events_critical"] > 0
    accounts = {row.account for row in grave.select("account").distinct().collect()}
    assert accounts == set(ACCOUNTS)
    print(f"ok: {sum(found.values())} records, with an attempt that failed")


def check_damage(binary: str, work: Path) -> None:
    """What must not go unseen fails the job, says what it was and leaves no records."""
    output = work / "rejects"
    said = failure_of(job, "--hsmtrail", binary, "--fail-on-rejects", pattern(work), str(output))
    assert "hsmtrail ended with status 1 on partition" in said, said

    whole = files(work)[17]
    damaged = whole.with_name("damaged.json.gz")
    damaged.write_bytes(whole.read_bytes()[:-100])
    output = work / "damaged"
    said = failure_of(job, "--hsmtrail", binary, pattern(work), str(output))
    assert "hsmtrail ended with status 3 on partition" in said, said
    assert re.search(r"hsmtrail: .*-damaged\.json\.gz", said), said
    assert not (output / "_SUCCESS").exists() and lines_of(output, "record") == []
    damaged.unlink()
    print("ok: damage fails the job")


def check_lines(context: pyspark.SparkContext, binary: str, work: Path) -> None:
    """Records that are lines already, through Spark's own pipe."""
    expected, _ = alone(binary, files(work))
    lines = [line for line in expected if not line.startswith('{"hsmtrail_reject":')]
    bare = [line.rpartition(ENRICHMENT)[0] + "}" if ENRICHMENT in line else line for line in lines]
    assert max(len(line.encode()) for line in bare) == LONGEST
    piped = context.parallelize(bare, 4).pipe(f"{binary} --workers=1", checkCode=True).collect()
    assert piped == lines, "lines are lost, cut, altered or in another order"
    damaged = context.parallelize([*bare[:10], "{]"], 2)
    said = failure_of(damaged.pipe(binary, checkCode=True).collect)
    assert "PIPE_FUNCTION_EXITED" in said, said

    (work / "lines").write_text("".join(f"{line}\n" for line in bare))
    piped_by_jvm(context, binary, work / "lines", work / "piped")
    parts = [path.read_text() for path in sorted((work / "piped").glob("part-*"))]
    assert len(parts) >= 4 and "".join(parts) == "".join(f"{line}\n" for line in lines)
    (work / "lines").write_text("{]\n")
    said = failure_of(piped_by_jvm, context, binary, work / "lines", work / "unpiped")
    assert "Subprocess exited with status 1" in said, said
    print(f"ok: {len(lines)} lines through pipe()")


def piped_by_jvm(context: pyspark.SparkContext, binary: str, lines: Path, output: Path) -> None:
    """Through the `pipe` of Scala and Java, which is another one than Python's."""
    command, environment = [binary, "--workers=1"], dict[str, str]()
    texts = context._jsc.textFile(str(lines), 4)
    texts.pipe(command, environment, False, 8192, "UTF-8").saveAsTextFile(str(output))


def main() -> None:
    binary, work = os.path.abspath(sys.argv[1]), Path(sys.argv[2]).resolve()
    faulthandler.dump_traceback_later(PATIENCE_SECONDS, exit=True)
    os.chdir(work)
    records = make_archive(work / "AWSLogs")
    settings = prepare(work)
    check_submitted(binary, work, records, settings)
    check_in_session(binary, work, settings)


if __name__ == "__main__":
    main()
