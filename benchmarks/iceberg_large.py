"""A large .csv.gz in spans into one Iceberg table, through the deployed state machine.

    python -m benchmarks.iceberg_large [--gb 1] [--workers 16] [--memory 256]

The file has one gzip member of so many GB, encoded. The table is in the local stack's Glue, and IAM is on. DuckDB
compares each value of each row that pyiceberg and pyarrow read; the table must have one snapshot, which names the job.
The peak memory of each function is its largest resident set, looked at five times a second. The emulator keeps objects
in memory: about three times the size is needed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import GB, MIB
from benchmarks.large import job_of, states_of
from benchmarks.large_zip import EMULATOR, peaks

from penstock_local.demo.lake_samples import open_table
from penstock_local.stack import Stack, running

RESULTS = Path(__file__).parent / "results"
KEY = "large/orders.csv.gz"
SEED = 11
HEADER = b"id,country,note,amount,placed\n"
# The values of a row beside its id, which names them: id % VARIANTS. Their texts are longer than gzip looks back.
VARIANTS = 20_011
BLOCK = 20_000
ROUTES = """
[[route]]
name = "orders"
match = "large/*"
destination = "iceberg:lake.orders"
[route.table]
create = true
columns = [
    { name = "id", type = "integer", nullable = false },
    { name = "country" },
    { name = "note" },
    { name = "amount", type = "numeric(12,2)" },
    { name = "placed", type = "timestamp" },
]
"""
EXPECTED = """
CREATE TABLE variants AS SELECT column0 AS variant, column1 AS country, column2 AS note,
    column3::DECIMAL(12, 2) AS amount, column4::TIMESTAMPTZ AS placed
FROM read_csv('{}', header = false, all_varchar = false, columns = {{
    'column0': 'BIGINT', 'column1': 'VARCHAR', 'column2': 'VARCHAR', 'column3': 'VARCHAR', 'column4': 'VARCHAR'}})
"""
FOUND = f"""
SELECT count(*), count(DISTINCT found.id), min(found.id), max(found.id), sum(found.amount), count(*) FILTER (
    found.country IS NOT DISTINCT FROM variants.country AND found.note IS NOT DISTINCT FROM variants.note
    AND found.amount = variants.amount AND found.placed = variants.placed)
FROM found LEFT JOIN variants ON found.id % {VARIANTS} = variants.variant
"""


def variants() -> tuple[list[bytes], list[Decimal]]:
    """The texts of rows without their ids, and their amounts."""
    draw, texts, amounts = random.Random(SEED), [], []
    for number in range(VARIANTS):
        amount = Decimal(draw.randrange(10**8)).scaleb(-2)
        placed = (
            f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}T{number % 24:02d}:{number % 60:02d}:07.{number:06d}Z"
        )
        country = draw.choice(("DE", "FR", "PT", ""))
        texts.append(f"{country},{draw.getrandbits(400):0100x},{amount:.2f},{placed}\n".encode())
        amounts.append(amount)
    return texts, amounts


def write(path: Path, size: int) -> tuple[int, int]:
    """Write one gzip member of about ``size`` bytes. Return the rows, and the decoded bytes."""
    texts, _ = variants()
    packer, rows, decoded = zlib.compressobj(1, zlib.DEFLATED, 31), 0, len(HEADER)
    with path.open("wb") as file:
        file.write(packer.compress(HEADER))
        while file.tell() < size:
            numbers = range(rows + 1, rows + BLOCK + 1)
            block = b"".join([b"%d,%b" % (number, texts[number % VARIANTS]) for number in numbers])
            file.write(packer.compress(block))
            rows, decoded = rows + BLOCK, decoded + len(block)
        file.write(packer.flush())
    return rows, decoded


def check(stack: Stack, job: dict[str, Any], rows: int, folder: Path) -> str:
    """Compare the table with what was sent. Return what was found; exits where anything differs."""
    table = open_table(stack, "orders")
    snapshots = table.snapshots()
    job_id = job["pk"].removeprefix("job#")
    if len(snapshots) != 1 or job_id not in snapshots[0].summary.additional_properties.values():
        sys.exit(f"the table has the snapshots {snapshots}")
    reader = table.scan().to_arrow_batch_reader()
    texts, amounts = variants()
    total = sum(amounts[1 : rows % VARIANTS + 1]) + rows // VARIANTS * sum(amounts)
    path = folder / "variants.csv"
    path.write_bytes(b"".join(b"%d,%b" % each for each in enumerate(texts)))
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(EXPECTED.format(path))
        database.register("found", reader)
        found = database.execute(FOUND).fetchone()
    if found != (rows, rows, 1, rows, total, rows):
        sys.exit(f"the table holds {found}, not {rows} rows of sum {total}")
    files = len(table.inspect.files())
    return (
        f"{rows:,} rows, each once and with the values that were sent; sum of the amounts {total:,}; {files} "
        "data files; one snapshot, which names the job"
    )


def report(size: int, workers: int, memory: int) -> str:
    host = Host.here("arro3-core", "pyiceberg", "pyarrow", "duckdb")
    parameters = {
        "MemorySize": str(memory),
        "LargeBytes": "1000000",
        "MapConcurrency": str(workers),
        "MaximumConcurrency": "2",
        "SpanBytes": str(64 * MIB),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "orders.csv.gz"
        rows, decoded = write(path, size)
        (folder / "routes.toml").write_text(ROUTES)
        with (
            running(routes=folder / "routes.toml", parameters=parameters, iceberg="glue") as stack,
            peaks(stack) as seen,
        ):
            encoded = path.stat().st_size
            stack.client("s3").upload_file(str(path), stack.source_bucket, KEY)
            path.unlink()
            job = job_of(stack, KEY)
            if job["state"] != "succeeded":
                sys.exit(f"{KEY}: {job}")
            began = time.monotonic()
            checked = check(stack, job, rows, folder)
            sys.stderr.write(f"checked in {time.monotonic() - began:.0f} s\n")
            states = states_of(stack, job)
    seconds = float(job["finished_at"]) - float(job["started_at"])
    peak_rows = "".join(
        f"| {each} | {seen.processes(each)} | {peak / MIB:,.0f} |\n"
        for each, peak in sorted(seen.found.items())
        if each != EMULATOR
    )
    return (
        "# A large file into one Iceberg table\n\n"
        f"`python -m benchmarks.iceberg_large --gb {size / GB:g} --workers {workers} --memory {memory}`: a .csv.gz of "
        f"{encoded / GB:.2f} GB in one member, {decoded / GB:.2f} GB decoded, in {job['spans']} spans, up to "
        f"{workers} at once, and {states.get('Index', 0)} calls of index: {seconds:.0f} s on two cores, which the "
        f"emulator shares. The catalog is the local stack's Glue, with IAM.\n\n- {checked}.\n\n"
        f"{host}. The functions have {memory} MB, which the emulator "
        "does not enforce.\n\n"
        "| process | processes | largest resident set, MiB |\n|---|---:|---:|\n"
        f"{peak_rows}| {EMULATOR} | 1 | {seen.found[EMULATOR] / MIB:,.0f} |\n"
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.iceberg_large", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--gb", type=float, default=1, help="bytes of the .csv.gz (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=16, help="spans at once (default: %(default)s)")
    parser.add_argument("--memory", type=int, default=256, help="MB of a function (default: %(default)s)")
    options = parser.parse_args(argv)
    text = report(int(options.gb * GB), options.workers, options.memory)
    sys.stdout.write(text)
    if options.gb >= 1:
        (RESULTS / "iceberg-large.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
