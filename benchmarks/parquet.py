"""A CSV.gz as one Parquet file, compared with the libraries of the field: MB of CSV per second of CPU, and peak memory.

    python -m benchmarks.parquet [--rows N] [--repeat K] [--only NAME]

The file has the columns of a table of orders, with declared types: integer, text, numeric(12,2), boolean, date, and a
timestamp. Every contender writes zstd of level 1, in one thread. Each turn is a fresh process; contenders take turns,
and medians count. Each process first writes a file of 1,000 rows, as a warm function has: the CPU of all threads for
the large file is the first figure, that of the whole process, with its start and imports, the second. Peak is the
largest resident set of the process. awswrangler writes to a light S3 server, in another process.
Contenders that are not installed are left out (``requirements/bench.txt``). Rates are of the bytes of the CSV, before
gzip. Exits with 1 if penstock, which also decompresses, has less than 0.8 times the rate of arro3's own CSV reader and
Parquet writer on the plain file, if a peer is faster or takes less memory, or if rows differ.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from benchmarks.s3_server import s3_server

from penstock.codecs import CODECS
from penstock.codecs.trace import Trace
from penstock.destinations.parquet.file_writer import ParquetFileWriter
from penstock.destinations.parquet.schema import schema_of
from penstock.formats import parse
from penstock.limits import KIB, MIB
from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.table import Form, Table, TablePlan
from penstock.tables import ChunkBuilder, fit_to_storage, gc_deferred

LEAST = 0.8
BATCH = 512 * KIB
ROW_GROUP = 32 * MIB
T = ColumnType
COLUMNS = (
    Column("id", T.INTEGER),
    Column("customer"),
    Column("country"),
    Column("price", T.NUMERIC, digits=12, places=2),
    Column("paid", T.BOOLEAN),
    Column("day", T.DATE),
    Column("ordered_at", T.TIMESTAMP),
)
NAMES = [column.name for column in COLUMNS]
PENSTOCK, ARRO3 = "penstock, .csv.gz", "arro3, plain .csv"
SMALL, LARGE = "small", "orders"
ENDPOINT = "BENCHMARK_S3_ENDPOINT"


def lines(rows: int) -> Iterator[str]:
    rng = random.Random(1)
    start = datetime(2020, 1, 1)  # noqa: DTZ001  # written without a zone
    words = ("Alpha", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot")
    yield ",".join(NAMES) + "\n"
    for number in range(rows):
        at = start + timedelta(seconds=7 * number)
        yield (
            f"{number},{rng.choice(words)} {rng.choice(words)} {rng.randrange(100_000)},"
            f"{rng.choice(('DE', 'FR', 'US'))},"
            f"{rng.randrange(10**7) / 100:.2f},{rng.choice(('true', 'false'))},{at:%Y-%m-%d},{at:%Y-%m-%d %H:%M:%S}\n"
        )


def penstock(source: Path, target: Path) -> None:
    """As a job does it: decompress, parse, check, and write row groups."""
    schema = schema_of(COLUMNS)
    options = ParseOptions(format=Format.CSV)
    table = Table("orders", COLUMNS)
    plan = fit_to_storage(TablePlan(options, table), {table.name: schema.storages(COLUMNS)})
    builder = ChunkBuilder(plan, Form.ARROW)
    with source.open("rb") as file, target.open("wb") as out, gc_deferred():
        writer = ParquetFileWriter(out.write, schema, row_group_bytes=ROW_GROUP)
        chunks = CODECS["gzip"].decode(iter(lambda: file.read(256 * KIB), b""), Trace(), 256 * KIB)
        for number, batch in enumerate(parse(chunks, options, batch_bytes=BATCH, validator_factory=builder.validator)):
            for rows in builder.chunk(number, batch)[0].rows:
                writer.add(rows)
        writer.finish()


def _arro3_schema() -> Any:
    core = importlib.import_module("arro3.core")
    kinds = core.DataType
    types = [
        kinds.int64(), kinds.utf8(), kinds.utf8(), kinds.decimal128(12, 2), kinds.bool(), kinds.date32(),
        kinds.timestamp("us", tz="UTC"),
    ]  # fmt: skip
    return core.Schema([core.Field(name, kind) for name, kind in zip(NAMES, types, strict=True)])


def arro3(source: Path, target: Path) -> None:
    io = importlib.import_module("arro3.io")
    with source.open("rb") as file, target.open("wb") as out:
        io.write_parquet(io.read_csv(file, _arro3_schema(), has_header=True), out, compression="zstd(1)")


def arro3_tuned(source: Path, target: Path) -> None:
    """With the options that Penstock found: batches of 8,192 rows, no dictionaries of columns that repeat nothing."""
    io = importlib.import_module("arro3.io")
    distinct = dict.fromkeys([("id",), ("customer",), ("price",), ("ordered_at",)], False)
    opened = importlib.import_module("isal.igzip").open(source, "rb") if source.suffix == ".gz" else source.open("rb")
    with opened as file, target.open("wb") as out:
        reader = io.read_csv(file, _arro3_schema(), has_header=True, batch_size=8_192)
        io.write_parquet(reader, out, compression="zstd(1)", column_dictionary_enabled=distinct)


def _arrow_schema() -> Any:
    pa = importlib.import_module("pyarrow")
    types = [
        pa.int64(),
        pa.string(),
        pa.string(),
        pa.decimal128(12, 2),
        pa.bool_(),
        pa.date32(),
        pa.timestamp("us"),
    ]
    return pa.schema(list(zip(NAMES, types, strict=True)))


def pyarrow(source: Path, target: Path) -> None:
    pa, csv, parquet = (importlib.import_module(name) for name in ("pyarrow", "pyarrow.csv", "pyarrow.parquet"))
    schema = _arrow_schema()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    types = {name: schema.field(name).type for name in NAMES}
    reader = csv.open_csv(source, convert_options=csv.ConvertOptions(column_types=types))
    with parquet.ParquetWriter(target, schema, compression="zstd", compression_level=1) as writer:
        for batch in reader:
            writer.write_batch(batch, row_group_size=600_000)


def polars(source: Path, target: Path) -> None:
    pl = importlib.import_module("polars")
    types = [pl.Int64, pl.String, pl.String, pl.Decimal(12, 2), pl.Boolean, pl.Date, pl.Datetime("us")]
    schema = dict(zip(NAMES, types, strict=True))
    pl.scan_csv(source, schema=schema).sink_parquet(target, compression="zstd", compression_level=1)


def duckdb(source: Path, target: Path) -> None:
    types = ("bigint", "varchar", "varchar", "decimal(12,2)", "boolean", "date", "timestamp")
    columns = dict(zip(NAMES, types, strict=True))
    with importlib.import_module("duckdb").connect(config={"threads": 1}) as connection:
        connection.execute(
            f"COPY (SELECT * FROM read_csv('{source}', header=true, columns={columns})) TO '{target}' "
            "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )


def _frames(source: Path) -> Iterator[Any]:
    """Frames of pandas, with decimals and dates as Python objects: it has no such types."""
    pd = importlib.import_module("pandas")
    decimal = importlib.import_module("decimal").Decimal
    read = pd.read_csv(
        source,
        chunksize=200_000,
        parse_dates=["day", "ordered_at"],
        converters={"price": decimal},
        dtype={"id": "int64"},
    )
    for frame in read:
        frame["day"] = frame["day"].dt.date
        yield frame


def awswrangler(source: Path, target: Path) -> None:
    """aws-sdk-pandas: ``to_parquet`` of each chunk, to S3."""
    wr = importlib.import_module("awswrangler")
    wr.config.s3_endpoint_url = os.environ[ENDPOINT]
    types = {"id": "bigint", "price": "decimal(12,2)", "paid": "boolean", "day": "date", "ordered_at": "timestamp"}
    for number, frame in enumerate(_frames(source)):
        wr.s3.to_parquet(
            frame,
            f"s3://benchmark/{target.with_suffix(f'.{number}.parquet').name}",
            compression="zstd",
            pyarrow_additional_kwargs={"compression_level": 1, "coerce_timestamps": "us"},
            dtype=types,
            use_threads=False,
        )


def pandas(source: Path, target: Path) -> None:
    """One file for each chunk."""
    for number, frame in enumerate(_frames(source)):
        frame.to_parquet(
            target.with_suffix(f".{number}.parquet"), schema=_arrow_schema(), compression="zstd", compression_level=1
        )


CONTENDERS: dict[str, tuple[str, Callable[[Path, Path], None], str]] = {
    PENSTOCK: ("arro3.io", penstock, ".csv.gz"),
    ARRO3: ("arro3.io", arro3, ".csv"),
    "arro3, plain .csv, tuned": ("arro3.io", arro3_tuned, ".csv"),
    "arro3, .csv.gz by isal, tuned": ("arro3.io", arro3_tuned, ".csv.gz"),
    "pyarrow, .csv.gz": ("pyarrow.parquet", pyarrow, ".csv.gz"),
    "Polars, .csv.gz": ("polars", polars, ".csv.gz"),
    "DuckDB, .csv.gz": ("duckdb", duckdb, ".csv.gz"),
    "pandas in chunks, .csv.gz": ("pandas", pandas, ".csv.gz"),
    "awswrangler in chunks, .csv.gz": ("awswrangler", awswrangler, ".csv.gz"),
}


def one(name: str, source: str, target: str) -> None:
    module, run, _ = CONTENDERS[name]
    importlib.import_module(module)
    run(Path(source.replace(LARGE, SMALL)), Path(target).with_name("warm.parquet"))
    start = time.process_time()
    run(Path(source), Path(target))
    whole = time.process_time()
    # The resident set of getrusage may be that of the parent, before exec.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps([whole - start, whole, int(peak.split()[1]) * KIB]))  # read by the parent


def measured(name: str, folder: Path, endpoint: str) -> tuple[float, float, float]:
    """CPU seconds for the file and in all, and peak memory, of a fresh process."""
    program = [sys.executable, "-m", "benchmarks.parquet", "--one", name, str(folder / f"{LARGE}{CONTENDERS[name][2]}")]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", ENDPOINT: endpoint}
    environment |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(
        [*program, str(folder / "out.parquet")], check=True, capture_output=True, text=True, env=environment
    )
    cpu, whole, peak = json.loads(done.stdout.splitlines()[-1])
    return cpu, whole, peak


def written(folder: Path, endpoint: str) -> tuple[int, int]:
    """The rows and bytes of what was written, here or to S3; the files are deleted."""
    parquet = importlib.import_module("pyarrow.parquet")
    for file in folder.glob("warm*.parquet"):
        file.unlink()
    if not any(folder.glob("out*.parquet")):
        _fetch(endpoint, folder)
    files = list(folder.glob("out*.parquet"))
    found = sum(parquet.read_metadata(file).num_rows for file in files), sum(file.stat().st_size for file in files)
    for file in files:
        file.unlink()
    return found


def _fetch(endpoint: str, folder: Path) -> None:
    for number in count():
        name = f"out.{number}.parquet"
        try:
            with urlopen(f"{endpoint}/benchmark/{name}") as body:  # the server of this benchmark
                (folder / name).write_bytes(body.read())
        except HTTPError:
            return


def compare(folder: Path, rows: int, repeat: int, only: str, endpoint: str) -> int:
    size = (folder / "orders.csv").stat().st_size
    there = [name for name, (module, _, _) in CONTENDERS.items() if find_spec(module.split(".")[0]) and only in name]
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in there}
    sizes: dict[str, int] = {}
    is_equal = True
    for _ in range(repeat):
        for name in there:
            results[name].append(measured(name, folder, endpoint))
            found, sizes[name] = written(folder, endpoint)
            is_equal = is_equal and found == rows
    rates, whole, peaks = (
        {name: statistics.median(each[place] for each in found) for name, found in results.items()}
        for place in range(3)
    )
    rates = {name: size / cpu for name, cpu in rates.items()}
    print("| | MB of CSV per CPU second | ratio | CPU s of the process | peak MiB | MB written |")  # the result
    print("|---|---|---|---|---|---|")
    for name in there:
        ratio = rates[PENSTOCK] / rates[name] if PENSTOCK in rates else 0
        print(
            f"| {name} | {rates[name] / 1e6:.0f} | {ratio:.2f} | {whole[name]:.2f} | {peaks[name] / MIB:.0f} "
            f"| {sizes[name] / 1e6:.1f} |"
        )
    print(f"\n{rows:,} rows, {size / 1e6:.0f} MB of CSV, medians of {repeat}. ", end="")
    print("All have written all rows." if is_equal else "ROWS ARE MISSING.")
    if only:
        return 0
    peers = [name for name in there if not name.startswith(("penstock", "arro3"))]
    ahead = all(rates[PENSTOCK] > rates[name] and peaks[PENSTOCK] < peaks[name] for name in peers)
    return 0 if is_equal and ahead and rates[PENSTOCK] >= LEAST * rates[ARRO3] else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--one", nargs=3)
    arguments = parser.parse_args()
    if arguments.one:
        one(*arguments.one)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stem, rows in ((SMALL, 1_000), (LARGE, arguments.rows)):
            text = "".join(lines(rows)).encode()
            (folder / f"{stem}.csv").write_bytes(text)
            (folder / f"{stem}.csv.gz").write_bytes(gzip.compress(text, 6))
            del text
        with s3_server() as endpoint:
            return compare(folder, arguments.rows, arguments.repeat, arguments.only, endpoint)


if __name__ == "__main__":
    sys.exit(main())
