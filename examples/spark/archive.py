"""Runs hsmtrail over an archive of CloudTrail on a Spark cluster.

    spark-submit archive.py --hsmtrail PATH INPUT OUTPUT [-- OPTION-OF-HSMTRAIL...]

INPUT is a glob of log files, compressed or not, such as
s3a://trail/AWSLogs/*/CloudTrail/*/2026/*/*/*.json.gz. OUTPUT is a directory that is not there yet.
The README beside this file says what comes out and what can be relied on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyspark import SparkFiles, TaskContext
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

REJECT = '{"hsmtrail_reject":{'
COUNTER = "reporter:counter:hsmtrail,"
REPORT = "reporter:"
SEVERITIES = ["informational", "low", "medium", "high", "critical"]

# What the partitions of the output are told by. A record that says none of it is kept all the same.
MEMBERS = """
    eventTime string, recipientAccountId string, userIdentity struct<accountId: string>,
    cloudhsm struct<severity: string>
"""

Row = tuple[str, str]


class Failed(Exception):
    """What hsmtrail did not come to the end of, or not without rejects that count as failures."""


def filter_files(
    files: Iterable[tuple[str, bytes]], binary: str, options: list[str], accepted: set[int]
) -> Iterator[Row]:
    """One hsmtrail over the files of a partition: its lines, and last what it has counted.

    The files are put on the executor's disk, and not through stdin one after the other: so each is a
    source of its own, damage in one costs no other, and messages and rejects say which it was.
    """
    with tempfile.TemporaryDirectory(prefix="hsmtrail-", dir=scratch_directory()) as directory:
        spool, messages = Path(directory, "files"), Path(directory, "stderr")
        spool.mkdir()
        for number, (name, content) in enumerate(files):
            # The number keeps their order, and apart what has the same name elsewhere.
            spool.joinpath(f"{number:07}-{name.rpartition('/')[2][-200:]}").write_bytes(content)
        if not any(spool.iterdir()):
            return
        command = [SparkFiles.get(binary), "--stderr-protocol=hadoop", "--workers=1", *options, "*"]
        written = 0
        with messages.open("wb") as stderr:
            # Without the executor's environment, whose HSMTRAIL_ variables would be options.
            with subprocess.Popen(
                command,
                cwd=spool,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            ) as process:
                for line in process.stdout or ():
                    written += len(line)
                    text = line.decode().removesuffix("\n")
                    yield "reject" if text.startswith(REJECT) else "record", text
        # The rows above count for nothing when this raises: Spark drops what the attempt has written.
        counters = read_counters(messages, process.returncode, accepted)
        if counters["output_bytes"] != written:
            raise Failed(f"hsmtrail wrote {counters['output_bytes']} bytes, {written} came")
        yield "counters", json.dumps(counters)


def read_counters(messages: Path, status: int, accepted: set[int]) -> Counter[str]:
    """What hsmtrail has counted, by its stderr; what it says otherwise is the executor's log."""
    counters: Counter[str] = Counter()
    log: list[str] = []
    for line in messages.read_text(errors="replace").splitlines(keepends=True):
        if line.startswith(COUNTER):
            name, amount = line.removeprefix(COUNTER).split(",")
            counters[name] += int(amount)
        elif not line.startswith(REPORT):
            log.append(line)
    said = "".join(log)
    sys.stderr.write(said)
    if status not in accepted:
        context = TaskContext.get()
        where = f" on partition {context.partitionId()}" if context else ""
        raise Failed(f"hsmtrail ended with status {status}{where}:\n{said[-10_000:]}")
    return counters


def scratch_directory() -> str:
    """On a disk that the executor spills to; Spark empties it when it ends the executor."""
    disks = os.environ.get("SPARK_LOCAL_DIRS", tempfile.gettempdir()).split(",")
    context = TaskContext.get()
    return disks[context.partitionId() % len(disks) if context else 0]


def first_of(pattern: str, *texts: Column) -> Column:
    """The first text that fits, or `unknown`: a record's text must not name directories freely."""
    fitting = (F.when(text.rlike(rf"^{pattern}\z"), text) for text in texts)
    return F.coalesce(*fitting, F.lit("unknown"))


def run(spark: SparkSession, arguments: argparse.Namespace) -> Counter[str]:
    """Filters the archive into the output, and adds up what was counted for it."""
    spark.sparkContext.addFile(arguments.hsmtrail)
    binary = os.path.basename(arguments.hsmtrail)
    options: list[str] = arguments.options
    # Status 1 is that there are rejects. They would be there in each attempt again.
    accepted = {0} if arguments.fail_on_rejects else {0, 1}
    rows = spark.sparkContext.binaryFiles(arguments.input).mapPartitions(
        lambda files: filter_files(files, binary, options, accepted)
    )
    said = F.col("said")
    severity = said["cloudhsm"]["severity"]
    (
        spark.createDataFrame(rows, "kind string, value string", verifySchema=False)
        .withColumn("said", F.from_json("value", MEMBERS))
        .select(
            "value",
            "kind",
            first_of(r"\d{4}-\d{2}-\d{2}", F.substring(said["eventTime"], 1, 10)).alias("date"),
            first_of(
                r"\d{12}", said["recipientAccountId"], said["userIdentity"]["accountId"]
            ).alias("account"),
            F.when(severity.isin(SEVERITIES), severity).otherwise("none").alias("severity"),
        )
        .write.partitionBy("kind", "date", "account", "severity")
        .text(arguments.output, compression=arguments.compression)
    )
    # What was committed is what counts, so that no attempt is counted that came to nothing.
    committed = spark.read.text(f"{arguments.output}/kind=counters").select("value").collect()
    counters: Counter[str] = Counter()
    for row in committed:
        counters.update(json.loads(row.value))
    return counters


def parse(words: list[str]) -> argparse.Namespace:
    """The command line; what stands behind `--` is for hsmtrail."""
    if "--" in words:
        at = words.index("--")
        words, options = words[:at], words[at + 1 :]
    else:
        options = []
    parser = argparse.ArgumentParser(
        prog="archive.py", description="Runs hsmtrail over an archive of CloudTrail."
    )
    parser.add_argument("input", metavar="INPUT", help="a glob of log files")
    parser.add_argument("output", metavar="OUTPUT", help="a directory that is not there yet")
    parser.add_argument(
        "--hsmtrail", metavar="PATH", required=True, help="the program, here; the job takes it along"
    )
    parser.add_argument(
        "--compression", default="none", metavar="CODEC", help="of the output: none, gzip, zstd …"
    )
    parser.add_argument(
        "--fail-on-rejects", action="store_true", help="a damaged record fails the job"
    )
    arguments = parser.parse_args(words)
    arguments.options = options
    return arguments


def main(words: list[str]) -> int:
    """Runs the job and prints its counters; 1 when there are rejects, as hsmtrail itself."""
    arguments = parse(words)
    spark = SparkSession.builder.appName("hsmtrail").getOrCreate()
    counters = run(spark, arguments)
    print(json.dumps(counters, sort_keys=True))
    return 1 if counters["records_rejected"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
