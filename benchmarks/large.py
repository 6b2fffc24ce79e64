"""Large files from upload to result, through the deployed state machine.

    python -m benchmarks.large [--gb 4] [--table-gb 1]

1. A gzip of one member and so many GB decoded into a bucket, with a time limit that forces several index checkpoints;
   compared by SHA-256.
2. A .csv.gz of so many GB decoded, every fourth row with line ends inside quotes, into PostgreSQL by spans side by
   side; compared by count, distinct ids and two sums, and the rows of the rejects.

Exits with 1 where anything differs. The emulator keeps objects in memory: twice the decoded size is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from penstock_local.stack import Stack, running

GB = 10**9
SEED = 5
# Of an invocation: with ten of them for clearing up, two are left for work.
LIMIT_SECONDS = 12
ROUTES = """
[[route]]
name = "rows"
match = ["*.rows.csv.gz"]
destination = "postgresql:rows"
max_rejects = 100
[route.table]
create = true
columns = [
    { name = "id", type = "integer", nullable = false },
    { name = "note" },
    { name = "amount", type = "integer" },
]

[[route]]
name = "decompress"
match = ["*"]
destination = "s3://{destination_bucket}/{stem}"
"""
RESULTS = Path(__file__).parent / "results"
WAIT_SECONDS = 3600.0


def lines(size: int) -> Iterator[bytes]:
    """Blocks of text that differ, of about ``size`` bytes together."""
    draw = random.Random(SEED)
    rows = b"".join(
        b'%d,customer %d,"note %d",%d\n' % tuple(draw.getrandbits(bits) for bits in (40, 20, 30, 16))
        for _ in range(20_000)
    )
    made = number = 0
    while made < size:
        turn = number * 7919 % len(rows)
        block = b"# block %d\n" % number + rows[turn:] + rows[:turn]
        yield block
        made, number = made + len(block), number + 1


def rows(count: int, bad: set[int]) -> Iterator[bytes]:
    """A header and so many rows, in blocks."""
    draw = random.Random(SEED)
    yield b"id,note,amount\n"
    for first in range(1, count + 1, 10_000):
        block = bytearray()
        for number in range(first, min(first + 10_000, count + 1)):
            if number in bad:
                block += b"%d,too few fields\n" % number
            elif number % 4:
                block += b"%d,%040x plain,%d\n" % (number, draw.getrandbits(160), number * 2)
            else:
                block += b'%d,"%040x\nand ""more"", on a line of its own",%d\n' % (
                    number,
                    draw.getrandbits(160),
                    number * 2,
                )
        yield bytes(block)


def compress(blocks: Iterator[bytes], path: Path) -> tuple[str, int]:
    """One gzip member; the SHA-256 and the size of what it decodes to."""
    packer, digest, size = zlib.compressobj(1, zlib.DEFLATED, 31), hashlib.sha256(), 0
    with path.open("wb") as file:
        for block in blocks:
            digest.update(block)
            size += len(block)
            file.write(packer.compress(block))
        file.write(packer.flush())
    return digest.hexdigest(), size


def job_of(stack: Stack, key: str) -> dict[str, Any]:
    """The item of the job of a key, once it has ended."""
    table, deadline = stack.client("dynamodb"), time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        for item in table.scan(TableName=stack.jobs_table)["Items"]:
            if item.get("source", {}).get("S", "").endswith(f"/{key}") and "finished_at" in item:
                return {name: next(iter(value.values())) for name, value in item.items()}
        time.sleep(1)
    sys.exit(f"{key} did not end within {WAIT_SECONDS:.0f} s")


def states_of(stack: Stack, job: dict[str, Any]) -> dict[str, int]:
    """How often the execution entered each state."""
    arn = f"{stack.state_machine.replace(':stateMachine:', ':execution:')}:{job['execution']}"
    pages = stack.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
    entered = [
        e["stateEnteredEventDetails"]["name"]
        for page in pages
        for e in page["events"]
        if "stateEnteredEventDetails" in e
    ]
    return {name: entered.count(name) for name in dict.fromkeys(entered)}


def put(stack: Stack, path: Path, key: str) -> tuple[dict[str, Any], str]:
    """Upload, wait, and tell what happened."""
    stack.client("s3").upload_file(str(path), stack.source_bucket, key)
    job = job_of(stack, key)
    if job["state"] != "succeeded":
        sys.exit(f"{key}: {job}")
    seconds = float(job["finished_at"]) - float(job["started_at"])
    job_report = (
        f"{int(job['size']) / GB:.2f} GB of gzip, {int(job['bytes_out']) / GB:.2f} GB decoded, {job['spans']} spans, "
        f"{states_of(stack, job).get('Index', 0)} index invocations, {seconds:.0f} s"
    )
    return job, job_report


def bucket(stack: Stack, folder: Path, size: int) -> str:
    path = folder / "large"
    sha, _ = compress(lines(size), path)
    _, job_report = put(stack, path, "large.txt.gz")
    path.unlink()
    digest = hashlib.sha256()
    for chunk in (
        stack.client("s3").get_object(Bucket=stack.destination_bucket, Key="large.txt")["Body"].iter_chunks(2**20)
    ):
        digest.update(chunk)
    if digest.hexdigest() != sha:
        sys.exit("the object differs from what was compressed")
    return f"into a bucket: {job_report}; identical by SHA-256"


def table(stack: Stack, folder: Path, size: int) -> str:
    count = size // 66
    bad = {1, count // 3, count // 2 + 1, count}
    path = folder / "rows"
    compress(rows(count, bad), path)
    job, job_report = put(stack, path, "large.rows.csv.gz")
    path.unlink()
    ids = count * (count + 1) // 2 - sum(bad)
    with psycopg.connect(stack.postgres_dsn) as database:
        found = database.execute("SELECT count(*), count(DISTINCT id), sum(id), sum(amount) FROM rows").fetchone()
    if found != (count - len(bad), count - len(bad), ids, ids * 2):
        sys.exit(f"the table holds {found}, not {count - len(bad)} rows of sum {ids}")
    if rejected(stack, job) != sorted(bad):
        sys.exit(f"rejects name rows {rejected(stack, job)}, not {sorted(bad)}")
    return f"into PostgreSQL: {job_report}; {count - len(bad):,} rows, each once; rejects name rows {sorted(bad)}"


def rejected(stack: Stack, job: dict[str, Any]) -> list[int]:
    s3, prefix = stack.client("s3"), f"jobs/{job['pk'].removeprefix('job#')}/rejects/"
    listed = s3.list_objects_v2(Bucket=stack.work_bucket, Prefix=prefix).get("Contents", [])
    bodies = [s3.get_object(Bucket=stack.work_bucket, Key=entry["Key"])["Body"].read() for entry in listed]
    return sorted(json.loads(line)["row"] for body in bodies for line in body.splitlines())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--gb", type=float, default=4, help="decoded size of the bucket job (default: %(default)s)")
    parser.add_argument(
        "--table-gb", type=float, default=1, help="decoded size of the table job (default: %(default)s)"
    )
    options = parser.parse_args(argv)
    parameters = {
        "LargeBytes": "1000000",
        "MapConcurrency": "2",
        "MaximumConcurrency": "2",
        "TimeLimitSeconds": str(LIMIT_SECONDS),
        # What a worker delivers in the two seconds, however busy this computer is.
        "SpanBytes": str(64 * 2**20),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "routes.toml").write_text(ROUTES)
        told = []
        with running(routes=folder / "routes.toml", parameters=parameters) as stack:
            for job in (bucket(stack, folder, int(options.gb * GB)), table(stack, folder, int(options.table_gb * GB))):
                print(job, flush=True)
                told.append(job)
    (RESULTS / "large.md").write_text(
        f"Time limit of an invocation: {LIMIT_SECONDS} s, of which 10 are kept; two workers.\n\n"
        + "".join(f"- {line}\n" for line in told)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
