"""Parquet as a source, compared with pyarrow and DuckDB: a file into texts for COPY, and into values of Python.

    python -m benchmarks.parquet_in [--rows N]

The file has seven columns (integer, text, decimal, timestamp, boolean, double, date), zstd, in row groups of 100,000
records. Each contender runs in a process of its own, with one thread where it can be told so; CPU time and memory are
those of the process and its children.

- **texts**: columns of checked texts, as a load into PostgreSQL sends them; of the others, a CSV.
- **records**: a dict for each record.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from penstock.formats import parse
from penstock.limits import KIB
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.table import Form, Table, TablePlan
from penstock.run.local_source import FileSource
from penstock.tables import ChunkBuilder, complete

OPTIONS = ParseOptions(format=Format.PARQUET)
BATCH = 256 * KIB


def write(path: Path, rows: int) -> None:
    pa, pq = import_module("pyarrow"), import_module("pyarrow.parquet")
    numbers = range(rows)
    table = pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "name": [f"customer {n * 7919 % 100_003}" for n in numbers],
            "amount": pa.array([Decimal(n * 37 % 100_000) / 100 for n in numbers], pa.decimal128(12, 2)),
            "at": pa.array([1_700_000_000_000_000 + n * 1_234_567 for n in numbers], pa.timestamp("us", "UTC")),
            "ok": [n % 3 == 0 for n in numbers],
            "score": [n / 7 for n in numbers],
            "day": pa.array([n % 20_000 for n in numbers], pa.int32()).cast(pa.date32()),
        }
    )
    pq.write_table(table, path, compression="zstd", row_group_size=100_000)


def penstock_texts(path: Path) -> int:
    source = FileSource(path)
    plan = complete(TablePlan(OPTIONS, Table("t")), next(parse([], OPTIONS, batch_bytes=BATCH, ranges=source)))
    builder = ChunkBuilder(plan, Form.TEXT)
    batches = enumerate(parse([], OPTIONS, batch_bytes=BATCH, ranges=source))
    return sum(builder.chunk(number, batch)[0].records for number, batch in batches)


def penstock_records(path: Path) -> int:
    return sum(batch.count for batch in parse([], OPTIONS, batch_bytes=BATCH, ranges=FileSource(path)))


def pyarrow_texts(path: Path) -> int:
    pc = import_module("pyarrow.csv")
    rows = 0
    for batch in _batches(path):
        pc.write_csv(batch, io.BytesIO())
        rows += batch.num_rows
    return rows


def pyarrow_records(path: Path) -> int:
    return sum(len(batch.to_pylist()) for batch in _batches(path))


def duckdb_texts(path: Path) -> int:
    duckdb: Any = import_module("duckdb")
    duckdb.sql("SET threads = 1")
    duckdb.sql(f"COPY (SELECT * FROM '{path}') TO '{os.devnull}' (FORMAT csv)")
    return int(duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()[0][0])


def _batches(path: Path) -> Any:
    import_module("pyarrow").set_cpu_count(1)
    return import_module("pyarrow.parquet").ParquetFile(path).iter_batches(batch_size=8192)


CONTENDERS: dict[str, Callable[[Path], int]] = {
    "texts, Penstock": penstock_texts,
    "texts, pyarrow": pyarrow_texts,
    "texts, DuckDB": duckdb_texts,
    "records, Penstock": penstock_records,
    "records, pyarrow": pyarrow_records,
}


def contend(name: str, path: Path) -> None:
    began = time.monotonic()
    rows = CONTENDERS[name](path)
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(used.ru_utime + used.ru_stime for used in (own, children))
    memory = (own.ru_maxrss + children.ru_maxrss) / KIB
    print(f"| {name} | {rows / cpu / 1000:,.0f} | {time.monotonic() - began:.1f} | {memory:,.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contender:
        contend(given.contender, given.file)
        return
    if given.file:
        write(given.file, given.rows)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        # The peak of a process is never less than that of the one that starts it: this one stays small.
        again = [sys.executable, "-m", "benchmarks.parquet_in", "--file", str(path)]
        subprocess.run([*again, "--rows", str(given.rows)], check=True)
        print(f"{given.rows:,} records, {path.stat().st_size:,} bytes\n")
        print("| contender | thousand records per CPU second | seconds | MiB |")
        print("|---|---|---|---|", flush=True)
        for name in CONTENDERS:
            subprocess.run([*again, "--contender", name], check=True)


if __name__ == "__main__":
    main()
