"""A burst of small jobs into one Iceberg table: how many commits it takes, and when all rows are visible.

    python -m benchmarks.iceberg_small [--files 1000] [--rate 100]

1. Files of 100 rows are ingested, by the code of the function `ingest` in one process, into the deployed stack: each
   job writes its data file, and waits for its commit. Its CPU and that of the emulator are measured.
2. The messages of these jobs are sent to the stack's commit queue, so many a second. From here on, everything is as it
   is deployed: the queue, the event source mapping with its window, the function `commit` under its role, and Glue.
   The messages would be sent as fast by so many functions `ingest` as the report computes.
3. pyiceberg and pyarrow read the table: its snapshots, and each row once.

Exits with 1 if a goal is missed: a commit for 50 files at most, all rows visible 60 s after the last message.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import boto3
from benchmarks.frame.machine import Host
from benchmarks.scale import __main__ as scale

from penstock.jobs.commit.waiting import CommitWaiting
from penstock.settings import Settings
from penstock.wiring.functions import build_ingest
from penstock_local.demo.lake_samples import as_csv, open_table, trips
from penstock_local.stack import Stack, running

RESULTS = Path(__file__).parent / "results"
ROWS = 100
WARM_UP = 5
PATIENCE = 600.0
FILES_A_COMMIT, VISIBLE_SECONDS = 50, 60
ROUTES = """
[[route]]
name = "small"
match = ["small/*"]
destination = "iceberg:lake.small"
[route.table]
create = true
columns = [
    { name = "trip", type = "integer", nullable = false },
    { name = "country" },
    { name = "driver" },
    { name = "price", type = "numeric(12,2)" },
    { name = "distance", type = "float" },
    { name = "shared", type = "boolean" },
    { name = "booked", type = "date" },
    { name = "ended", type = "timestamp" },
]
"""


class Invocation:
    """Implements ``Deadline``: there is time."""

    def remaining(self) -> float:
        return 300.0


@dataclass
class Recorded:
    """Implements ``CommitQueue``: keeps the messages instead of sending them."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def send(self, table: str, job_id: str) -> None:
        self.lines.append((table, job_id))


def ingest(first: int, count: int) -> None:
    """Upload and ingest files in this process, which has the environment of the function. Prints what it did."""
    settings = Settings.from_environment()
    deployed = build_ingest(settings)
    assert deployed.runner.waiting  # it is built so
    queue = Recorded()
    runner = replace(deployed.runner, waiting=CommitWaiting(deployed.runner.waiting.jobs, queue))
    local = replace(deployed, runner=runner)
    s3, bucket = boto3.client("s3"), settings.source_buckets[0]
    cpu = 0.0
    for number in range(first, first + count):
        key, body = f"small/{number}.csv", as_csv(trips(number * ROWS, ROWS))
        entity = {"key": key, "size": len(body), "sequencer": f"{number:016X}"}
        entity["eTag"] = s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"].strip('"')
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-01-01T00:00:00.000Z",
            "s3": {"bucket": {"name": bucket}, "object": entity},
        }
        before = time.process_time()
        report = local.handle({"Records": [record]}, Invocation())
        cpu += time.process_time() - before if number >= first + WARM_UP else 0
        if report.outcomes[0].state != "committing":
            sys.exit(f"{key}: {report.outcomes[0]}")
    json.dump({"lines": queue.lines, "cpu": cpu / max(1, count - WARM_UP)}, sys.stdout)


@dataclass(frozen=True, slots=True)
class Ingested:
    """The messages of jobs that wait, and seconds of CPU for each job: of its function, and of the emulator."""

    lines: list[tuple[str, str]]
    cpu: float
    emulator_cpu: float


def ingested(stack: Stack, files: int) -> Ingested:
    """Ingest files in another process."""
    functions = stack.client("lambda")
    for mapping in functions.list_event_source_mappings(FunctionName=stack.ingest_function)["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    told = functions.get_function_configuration(FunctionName=stack.ingest_function)
    variables = {**told["Environment"]["Variables"], "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(told["MemorySize"])}
    before = cpu_of(stack.pid)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.iceberg_small", "--ingest", str(files)],
        env=stack.isolated(os.environ) | variables,
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout)
    return Ingested([(table, job) for table, job in found["lines"]], found["cpu"], (cpu_of(stack.pid) - before) / files)


def send(stack: Stack, queue: str, lines: list[tuple[str, str]], rate: int) -> float:
    """Send the messages, ten at once. Return the seconds that it took."""
    sqs, began = stack.client("sqs"), time.monotonic()
    bodies = [json.dumps({"table": table, "job": job}) for table, job in lines]
    for first in range(0, len(bodies), 10):
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[first : first + 10])]
        time.sleep(max(0.0, began + first / rate - time.monotonic()))
        if failed := sqs.send_message_batch(QueueUrl=queue, Entries=entries).get("Failed"):
            sys.exit(f"not sent: {failed}")
    return time.monotonic() - began


def visible(stack: Stack, rows: int) -> tuple[float, int]:
    """Wait until a reader sees so many rows. Return the seconds, and the number of snapshots."""
    began = time.monotonic()
    while (seconds := time.monotonic() - began) < PATIENCE:
        snapshots = open_table(stack, "small").snapshots()
        if snapshots and int(snapshots[-1].summary["total-records"]) >= rows:
            return seconds, len(snapshots)
        time.sleep(0.5)
    sys.exit(f"not all rows are visible after {PATIENCE:.0f} s")


def check(stack: Stack, files: int) -> None:
    """Exits unless each row is in the table once, and each job has succeeded."""
    found = open_table(stack, "small").scan().to_arrow()
    if sorted(found["trip"].to_pylist()) != list(range(files * ROWS)):
        sys.exit(f"the table holds {found.num_rows} rows, and not each once")
    deadline = time.monotonic() + PATIENCE
    while (states := states_of(stack)) != {"succeeded"}:
        if time.monotonic() > deadline:
            sys.exit(f"jobs are {states}")
        time.sleep(1)


def states_of(stack: Stack) -> set[str]:
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.jobs_table)
    return {item["state"]["S"] for page in pages for item in page["Items"] if item["pk"]["S"].startswith("job#")}


def cpu_of(process: int) -> float:
    """The seconds of CPU of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_function(stack: Stack, verb: str) -> float:
    """The seconds of CPU of a function's processes that are alive."""
    seconds = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            told = (process / "environ").read_bytes().split(b"\0")
            if stack.endpoint.encode() in b"\n".join(told) and any(
                one.startswith(b"AWS_LAMBDA_FUNCTION_NAME=") and one.endswith(f"-{verb}".encode()) for one in told
            ):
                seconds += cpu_of(int(process.name))
    return seconds


def report(files: int, rate: int) -> tuple[str, list[str]]:
    """Return the report, and what misses its goal."""
    host = Host.here("arro3-core", "pyiceberg", "pyarrow")
    with tempfile.TemporaryDirectory() as name:
        routes = Path(name) / "routes.toml"
        routes.write_text(ROUTES)
        with running(routes=routes, iceberg="glue") as stack:
            jobs = ingested(stack, files)
            queue = stack.client("sqs").get_queue_url(
                QueueName=stack.queue_url.rpartition("/")[2].replace("ingest", "commit")
            )
            began, emulator = cpu_of_function(stack, "commit"), cpu_of(stack.pid)
            sent = send(stack, queue["QueueUrl"], jobs.lines, rate)
            seconds, commits = visible(stack, files * ROWS)
            check(stack, files)
            cpu, emulator = cpu_of_function(stack, "commit") - began, cpu_of(stack.pid) - emulator
    most = math.ceil(files / FILES_A_COMMIT)
    missed = [] if commits <= most else [f"{commits} commits, {most} at most"]
    missed += [] if seconds <= VISIBLE_SECONDS else [f"visible after {seconds:.0f} s, {VISIBLE_SECONDS} at most"]
    text = (
        "# A burst of small jobs into one Iceberg table\n\n"
        f"`python -m benchmarks.iceberg_small --files {files} --rate {rate}`: {files:,} jobs of {ROWS} rows each, "
        f"whose messages were sent within {sent:.1f} s. The queue, the event source mapping, the function `commit` "
        f"and its role are those of the template, on the local stack with Glue and IAM.\n\n{host}.\n\n"
        "| measured | |\n|---|---:|\n"
        f"| commits | {commits} |\n| seconds from the last message until all rows are visible | {seconds:.1f} |\n"
        f"| CPU of `commit`, s | {cpu:.1f} |\n| CPU of the emulator meanwhile, s | {emulator:.1f} |\n"
        f"| CPU of `ingest` for a job, warm, s | {jobs.cpu:.3f} |\n"
        f"| CPU of the emulator for a job, s | {jobs.emulator_cpu:.3f} |\n\n"
        f"Computed: at {rate} jobs a second, `ingest` needs {jobs.cpu * rate:.1f} vCPUs, or "
        f"{math.ceil(jobs.cpu * rate)} functions of 1,769 MB that do nothing but compute. On two cores, which the "
        f"emulator shares, {files:,} jobs take {(jobs.cpu + jobs.emulator_cpu) * files / 2:.0f} s at the least.\n\n"
        + "".join(f"- **missed**: {one}\n" for one in missed)
        + ("" if missed else f"- met: {most} commits at most, all rows visible within {VISIBLE_SECONDS} s\n")
    )
    return text, missed


def main(argv: list[str] | None = None) -> int:
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.iceberg_small", description=about)
    parser.add_argument("--files", type=int, default=1000, help="small jobs (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=100, help="messages a second (default: %(default)s)")
    parser.add_argument("--ingest", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.ingest is not None:
        ingest(0, options.ingest)
        return 0
    text, missed = report(options.files, options.rate)
    sys.stdout.write(text)
    if options.files >= 1000:
        (RESULTS / "iceberg-small.md").write_text(text)
        scale.main(["--write"])  # its page takes figures from this result
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
