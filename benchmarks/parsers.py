"""Parsing alone, compared with the libraries of the field: rows and MB per second of CPU, and peak memory.

    python -m benchmarks.parsers [--rows N] [--repeat K] [--batch-kib K] [--only NAME]

Rows of 12 columns, 500,000 of them 66 MB of CSV, made up once for a run. Each run is a fresh process that reads a file
in chunks of 256 KiB; contenders take turns and the best run counts, as other work on the machine only ever adds.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import platform
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count as count_from
from pathlib import Path
from xml.sax.saxutils import escape

import ijson
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from penstock.destinations.postgres.copy import copy_text
from penstock.formats import parse
from penstock.formats.format import no_validator
from penstock.limits import KIB, MIB
from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import CsvValidatorFactory
from penstock.model.table import Table, TablePlan
from penstock.tables import ChunkBuilder

RESULTS = Path(__file__).parent / "results"
T = ColumnType
COLUMNS = (
    Column("id", T.INTEGER),
    Column("name"),
    Column("email"),
    Column("city"),
    Column("amount", T.NUMERIC),
    Column("quantity", T.INTEGER),
    Column("active", T.BOOLEAN),
    Column("created", T.DATE),
    Column("updated", T.TIMESTAMP),
    Column("ratio", T.FLOAT),
    Column("notes"),
    Column("code"),
)
NAMES = [column.name for column in COLUMNS]
CITIES = ("Berlin", "Zürich", "São Paulo", "New York")
NOTES = ("plain", "with, comma", 'say "hi"', "", "")

Row = tuple[int, str, str, str, float, int, bool, str, str, float, str, str]


def rows(count: int) -> Iterator[Row]:
    rng = random.Random(1)
    for number in range(count):
        yield (
            number,
            f"Name {number} of family",
            f"user{number}@example.com",
            rng.choice(CITIES),
            round(rng.random() * 10_000, 2),
            rng.randrange(1000),
            rng.random() < 0.5,
            f"2024-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
            f"2024-05-01T12:{rng.randrange(60):02}:{rng.randrange(60):02}Z",
            round(rng.random(), 6),
            rng.choice(NOTES),
            f"C{rng.randrange(1_000_000):06}",
        )


def write_csv(path: Path, count: int, *, encoding: str = "utf-8", quotes: bool = True, bad: int = 0) -> None:
    """``bad``: one row in so many has a field too much."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(NAMES)
        for row in rows(count):
            fields = row if quotes else (*row[:10], "plain", row[11])
            writer.writerow((*fields, "more") if bad and row[0] % bad == 0 else fields)


def write_json(path: Path, count: int, *, lines: bool) -> None:
    records = (json.dumps(dict(zip(NAMES, row, strict=True))) for row in rows(count))
    path.write_text("\n".join(records) if lines else '{"items": [' + ",\n".join(records) + "]}")


def write_xlsx(path: Path, count: int, *, reach: int = 0) -> None:
    """As Excel writes it: texts shared, every cell with its reference. ``reach``: the number of the last row."""
    gap = max(1, (reach - 1) // count)
    numbers: dict[str, int] = {}

    def cell(column: int, row: int, value: object) -> str:
        place = f"{chr(ord('A') + column)}{row}"
        if isinstance(value, bool):
            return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
        if isinstance(value, str):
            return f'<c r="{place}" t="s"><v>{numbers.setdefault(value, len(numbers))}</v></c>'
        return f'<c r="{place}"><v>{value}</v></c>'

    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"

    def related(*parts: tuple[str, str]) -> str:
        links = (
            f'<Relationship Id="r{n}" Type="{office}/{kind}" Target="{to}"/>' for n, (kind, to) in enumerate(parts)
        )
        return f'<Relationships xmlns="{package}/relationships">{"".join(links)}</Relationships>'

    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = (("workbook", "sheet.main"), ("worksheets/sheet1", "worksheet"), ("sharedStrings", "sharedStrings"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(f'<worksheet xmlns="{namespace}"><sheetData>'.encode())
            for number, row in zip(count_from(1, gap), (NAMES, *rows(count)), strict=False):
                cells = "".join(cell(column, number, value) for column, value in enumerate(row))
                sheet.write(f'<row r="{number}">{cells}</row>'.encode())
            sheet.write(b"</sheetData></worksheet>")
        texts = "".join(f"<si><t>{escape(text)}</t></si>" for text in numbers)
        book.writestr("xl/sharedStrings.xml", f'<sst xmlns="{namespace}">{texts}</sst>')
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{namespace}"><sheets><sheet name="Data" sheetId="1" r:id="r0" xmlns:r="{office}"/>'
            "</sheets></workbook>",
        )
        book.writestr("_rels/.rels", related(("officeDocument", "xl/workbook.xml")))
        parts = ("worksheet", "worksheets/sheet1.xml"), ("sharedStrings", "sharedStrings.xml")
        book.writestr("xl/_rels/workbook.xml.rels", related(*parts))
        types = "".join(
            f'<Override PartName="/xl/{part}.xml" ContentType="{kind}.{name}+xml"/>' for part, name in overrides
        )
        book.writestr("[Content_Types].xml", f'<Types xmlns="{package}/content-types">{types}</Types>')


def penstock(
    path: Path, batch: int, options: ParseOptions, validator_factory: CsvValidatorFactory = no_validator
) -> int:
    with path.open("rb") as file:
        chunks = iter(partial(file.read, 256 * KIB), b"")
        return sum(
            each.count for each in parse(chunks, options, batch_bytes=batch, validator_factory=validator_factory)
        )


def validated(path: Path, batch: int) -> int:
    """As a load into PostgreSQL does: a batch that is valid for the table is not parsed."""
    options = ParseOptions(format=Format.CSV)
    return penstock(path, batch, options, ChunkBuilder(TablePlan(options, Table("people", COLUMNS))).validator)


def to_copy(path: Path, batch: int, *, validate: bool) -> int:
    """Checked rows, up to the bytes that COPY takes; without ``validate`` every value is parsed and typed."""
    options = ParseOptions(format=Format.CSV)
    builder = ChunkBuilder(TablePlan(options, Table("people", COLUMNS)))
    count = 0
    with path.open("rb") as file:
        chunks = iter(partial(file.read, 256 * KIB), b"")
        factory = builder.validator if validate else no_validator
        for number, each in enumerate(parse(chunks, options, batch_bytes=batch, validator_factory=factory)):
            chunk, _ = builder.chunk(number, each)
            for rows in chunk.rows:
                assert len(rows.raw_csv.text if rows.raw_csv else copy_text(rows.columns, rows.full))
                count += rows.count
    return count


def csv_module(path: Path, _: int) -> int:
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def json_module(path: Path, _: int) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in map(json.loads, file))


def ijson_items(path: Path, _: int) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in ijson.items(file, "items.item", buf_size=256 * KIB))


def calamine(path: Path, _: int) -> int:
    return sum(1 for _ in CalamineWorkbook.from_path(path).get_sheet_by_index(0).iter_rows()) - 1


def calamine_filled(path: Path, _: int) -> int:
    """Rows that hold anything."""
    sheet = CalamineWorkbook.from_path(path).get_sheet_by_index(0)
    return sum(1 for row in sheet.iter_rows() if any(cell != "" for cell in row)) - 1


def openpyxl(path: Path, _: int) -> int:
    sheet = load_workbook(path, read_only=True, data_only=True).worksheets[0]
    sheet.reset_dimensions()
    return sum(1 for _ in sheet.iter_rows(values_only=True)) - 1


def of(form: Format, records: str = "") -> Callable[[Path, int], int]:
    return partial(penstock, options=ParseOptions(format=form, records=records))


# What is measured: the file, how it is written, a share of the rows, and who reads it.
Case = tuple[str, Callable[[Path, int], None], float, dict[str, Callable[[Path, int], int]]]
OURS, VALIDATED = "Penstock", "Penstock, validated"
CASES: list[Case] = [
    ("CSV", write_csv, 1, {OURS: of(Format.CSV), VALIDATED: validated, "csv.reader": csv_module}),
    (
        "CSV to COPY",
        write_csv,
        1,
        {OURS: partial(to_copy, validate=False), VALIDATED: partial(to_copy, validate=True)},
    ),
    ("CSV without quotes", partial(write_csv, quotes=False), 1, {OURS: of(Format.CSV), "csv.reader": csv_module}),
    ("CSV, 1 row in 100 rejected", partial(write_csv, bad=100), 1, {OURS: of(Format.CSV), VALIDATED: validated}),
    ("CSV in UTF-16", partial(write_csv, encoding="utf-16"), 1, {OURS: of(Format.CSV)}),
    ("JSON Lines", partial(write_json, lines=True), 0.4, {OURS: of(Format.JSONL), "json.loads": json_module}),
    (
        "JSON document",
        partial(write_json, lines=False),
        0.4,
        {OURS: of(Format.JSON, records="items"), f"ijson, {ijson.backend}": ijson_items},
    ),
    ("XLSX", write_xlsx, 0.1, {OURS: of(Format.XLSX), "openpyxl": openpyxl, "python-calamine": calamine}),
    (
        "XLSX, rows far apart",
        partial(write_xlsx, reach=1_000_000),
        0.0002,
        {OURS: of(Format.XLSX), "python-calamine": calamine_filled},
    ),
]


@dataclass(frozen=True, slots=True)
class Run:
    """One reading of a file. ``peak`` is the process's largest resident set in bytes, interpreter included."""

    rows: int
    seconds: float
    cpu_seconds: float
    peak: int


def run(case: int, contender: str, path: Path, batch: int) -> Run:
    wall, cpu = time.perf_counter(), time.process_time()
    count = CASES[case][3][contender](path, batch)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Run(count, wall, cpu, peak())


def peak() -> int:
    """Not ru_maxrss: that of the parent is inherited."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * KIB for line in status if line.startswith("VmHWM:"))


def measure(folder: Path, count: int, repeat: int, batch: int, only: str) -> Iterator[str]:
    for number, (name, write, share, contenders) in enumerate(CASES):
        if not name.startswith(only):
            continue
        path = folder / "source.xlsx"  # openpyxl goes by the suffix
        write(path, int(count * share))
        best: dict[str, Run] = {}
        for _ in range(repeat):
            for contender in contenders:
                with multiprocessing.get_context("spawn").Pool(1) as fresh:
                    done = fresh.apply(run, (number, contender, path, batch))
                assert done.rows == int(count * share), f"{name}, {contender}: {done.rows} rows"
                if contender not in best or done.cpu_seconds < best[contender].cpu_seconds:
                    best[contender] = done
        size = path.stat().st_size
        for contender, done in best.items():
            yield (
                f"| {name} | {contender} | {done.rows:,} | {size / 1e6:.0f} | {done.cpu_seconds:.2f} | "
                f"{done.rows / done.cpu_seconds:,.0f} | {size / done.cpu_seconds / 1e6:.0f} | {done.peak / MIB:.0f} |"
            )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parsers", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=500_000, help="rows of the CSV files (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each contender (default: %(default)s)")
    parser.add_argument("--batch-kib", type=int, default=512, help="batch_bytes, in KiB (default: %(default)s)")
    parser.add_argument("--only", default="", help="sources whose name starts with this; the results are not kept")
    options = parser.parse_args(argv)
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    lines = [
        f"Batches of {options.batch_kib} KiB, best of {options.repeat}; {machine}",
        "",
        "| source | reader | rows | MB | CPU s | rows/s | MB/s | peak MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        for line in measure(Path(folder), options.rows, options.repeat, options.batch_kib * KIB, options.only):
            print(line, flush=True)
            lines.append(line)
    if options.only:
        return 0
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "parsers.md").write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
