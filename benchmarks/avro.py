"""Avro alone, compared with the libraries of the field: MB of the file per second of CPU, and peak memory.

    python -m benchmarks.avro [--rows N] [--repeat K] [--only NAME]

Sources are made up for a run. Each reading is a fresh process; contenders take turns and the best run counts, as other
work on the machine only ever adds. "checked" are the rows that a load sends to PostgreSQL, with every value checked;
the same records as JSON Lines stand beside. Polars, which reads a whole file at once, is left out where it is not
installed; DuckDB reads Avro only with an extension that it downloads.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from penstock.codecs import Trace
from penstock.codecs.feed import Feed
from penstock.formats import parse
from penstock.formats.avro.container import blocks, check_sync, read_header
from penstock.formats.avro.long import write_long
from penstock.limits import KIB, MIB
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.table import Table, TablePlan
from penstock.tables import ChunkBuilder, complete, gc_deferred

RESULTS = Path(__file__).parent / "results" / "avro.md"
BATCH = 512 * KIB
CODECS = ("null", "deflate", "snappy")
FEW = "few"
FIRST_DAY, FIRST = date(2022, 1, 8), datetime(2024, 5, 1, 12, tzinfo=UTC)
Read = Callable[[Path], int]
SCHEMA = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "name", "type": "string"},
        {"name": "email", "type": ["null", "string"]},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "quantity", "type": "int"},
        {"name": "created", "type": {"type": "int", "logicalType": "date"}},
        {"name": "updated", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "paid", "type": "boolean"},
        {"name": "ratio", "type": "double"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
    ],
}


def records(count: int) -> Iterator[dict[str, object]]:
    for number in range(count):
        yield {
            "id": number,
            "name": f"Name {number} of family",
            "email": f"user{number}@example.com" if number % 4 else None,
            "amount": Decimal(number * 7919 % 1_000_000).scaleb(-2),
            "quantity": number % 1000,
            "created": FIRST_DAY + timedelta(days=number % 700),
            "updated": FIRST + timedelta(microseconds=number * 1_000_003),
            "paid": number % 3 == 0,
            "ratio": number / 7,
            "tags": ["plain", "with several words"][: number % 3],
        }


def write(path: Path, count: int, codec: str) -> None:
    if codec == "snappy":
        write_snappy(path, count)
        return
    with path.open("wb") as file:
        import_module("fastavro").writer(file, SCHEMA, records(count), codec=codec)


def write_snappy(path: Path, count: int) -> None:
    """Compress the blocks of a file again: fastavro needs another library for this codec."""
    compress: Any = import_module("pyarrow").compress
    plain = path.with_name("plain")
    write(plain, count, "null")
    feed = Feed([plain.read_bytes()], Trace())
    header = read_header(feed)
    with path.open("wb") as file:
        file.write(header.raw.replace(b"\x14avro.codec\x08null", b"\x14avro.codec\x0csnappy"))
        for block in blocks(feed, 0):
            data = feed.exactly(block.size, "a block")
            check_sync(feed, block, header.sync)
            packed = compress(data, codec="snappy", asbytes=True) + zlib.crc32(data).to_bytes(4, "big")
            file.write(write_long(block.count) + write_long(len(packed)) + packed + header.sync)


def write_lines(path: Path, count: int) -> None:
    """The same records as JSON Lines."""
    write(path.with_name("plain"), count, "null")
    batches = parse([path.with_name("plain").read_bytes()], ParseOptions(format=Format.AVRO), batch_bytes=BATCH)
    with path.open("w", encoding="utf-8") as file:
        for batch in batches:
            file.writelines(json.dumps(row, default=float) + "\n" for row in batch.rows)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(256 * KIB):
            yield chunk


def parsed(path: Path, format_: Format = Format.AVRO) -> int:
    with gc_deferred():
        batches = parse(_chunks(path), ParseOptions(format=format_), batch_bytes=BATCH)
        return sum(batch.count for batch in batches)


def checked(path: Path, format_: Format = Format.AVRO) -> int:
    options = ParseOptions(format=format_)
    first = next(parse(_chunks(path), options, batch_bytes=BATCH))
    builder = ChunkBuilder(complete(TablePlan(options, Table("t")), first))
    with gc_deferred():
        chunks = (
            builder.chunk(n, batch)[0] for n, batch in enumerate(parse(_chunks(path), options, batch_bytes=BATCH))
        )
        return sum(rows.count for chunk in chunks for rows in chunk.rows)


def by_fastavro(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in import_module("fastavro").reader(file))


def by_polars(path: Path) -> int:
    return int(import_module("polars").read_avro(path).height)


def by_lines(path: Path) -> int:
    return checked(path, Format.JSONL)


CONTENDERS: dict[str, Read] = {
    "Penstock": parsed,
    "Penstock, checked": checked,
    "fastavro": by_fastavro,
    **({"Polars": by_polars} if find_spec("polars") else {}),
}
LINES: dict[str, Read] = {"Penstock, checked": by_lines}


def run(read: Read, path: Path) -> tuple[int, float, int]:
    """Read once. Return rows, CPU seconds and the process's largest resident set. A few records are read before, so
    that imports do not count."""
    read(path.with_name(FEW))
    before = time.process_time()
    count = read(path)
    spent = time.process_time() - before
    status = Path("/proc/self/status").read_text().splitlines()
    return count, spent, next(int(line.split()[1]) * KIB for line in status if line.startswith("VmHWM:"))


def measure(folder: Path, count: int, repeat: int, only: str) -> Iterator[str]:
    cases = [(f"Avro, {codec}", codec, CONTENDERS) for codec in CODECS] + [("JSON Lines", "", LINES)]
    for name, codec, contenders in cases:
        if not name.startswith(only):
            continue
        path = folder / "source"
        for target, rows in ((path, count), (path.with_name(FEW), 10)):
            write(target, rows, codec) if codec else write_lines(target, rows)
        best: dict[str, tuple[int, float, int]] = {}
        for _ in range(repeat):
            for contender, read in contenders.items():
                if (contender, codec) == ("fastavro", "snappy") and not find_spec("cramjam"):
                    continue
                with multiprocessing.get_context("spawn").Pool(1) as fresh:
                    done = fresh.apply(run, (read, path))
                assert done[0] == count, f"{name}, {contender}: {done[0]} rows"
                best[contender] = min(best.get(contender, done), done, key=lambda each: each[1])
        size = path.stat().st_size
        for contender, (_, spent, peak) in best.items():
            yield (
                f"| {name} | {contender} | {size / 1e6:.1f} | {spent:.2f} | {size / spent / 1e6:.1f} | "
                f"{count / spent:,.0f} | {peak / MIB:.0f} |"
            )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.avro", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000, help="records (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each contender (default: %(default)s)")
    parser.add_argument("--only", default="", help="sources whose name starts with this; the results are not kept")
    options = parser.parse_args(argv)
    lines = [
        f"{options.rows:,} records of ten fields; batches of {BATCH // KIB} KiB, best of {options.repeat}",
        "",
        "| source | reader | MB | CPU s | MB/s | records/s | peak MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        for line in measure(Path(folder), options.rows, options.repeat, options.only):
            print(line, flush=True)
            lines.append(line)
    if not options.only:
        RESULTS.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
