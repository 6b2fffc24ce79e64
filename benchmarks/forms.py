"""Fixed width and XML alone, compared with the libraries of the field: MB per second of CPU, and peak memory.

    python -m benchmarks.forms [--rows N] [--repeat K] [--only NAME]

Sources are made up for a run. Each reading is a fresh process that reads a file in chunks of 256 KiB; contenders take
turns and the best run counts, as other work on the machine only ever adds. Contenders that are not installed are left
out: `pip install pandas duckdb lxml`. The garbage collector is as in a load (`gc_deferred`). Peaks of XML are measured
with four times the records, too: they do not grow.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import accumulate, islice
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from penstock.formats import parse
from penstock.limits import KIB, MIB
from penstock.model.parse_options import Format, ParseOptions
from penstock.tables import gc_deferred

RESULTS = Path(__file__).parent / "results" / "forms.md"
BATCH = 512 * KIB
NAMES = ("id", "name", "email", "city", "amount", "quantity", "created", "updated", "notes", "code")
WIDTHS = (10, 30, 30, 12, 12, 6, 10, 20, 24, 8)
FIELDS = tuple(f"{name} +{width}" for name, width in zip(NAMES, WIDTHS, strict=True))
PLACES = [slice(end - width, end) for end, width in zip(accumulate(WIDTHS), WIDTHS, strict=True)]
FEW = "few"
Read = Callable[[Path], int]


def rows(count: int) -> Iterator[tuple[str, ...]]:
    for number in range(count):
        yield (
            str(number),
            f"Name {number} of family",
            f"user{number}@example.com",
            ("Berlin", "Paris", "New York")[number % 3],
            f"{number * 7919 % 1_000_000 / 100:.2f}",
            str(number % 1000),
            f"2024-{1 + number % 12:02}-{1 + number % 28:02}",
            f"2024-05-01T12:{number % 60:02}:{number % 59:02}Z",
            ("plain", "with several words", "", "")[number % 4],
            f"C{number % 1_000_000:06}",
        )


def write_fixed(path: Path, count: int, *, name: str = "") -> None:
    """Lines of one length; ``name`` replaces a part of a field."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in rows(count):
            line = "".join(field.ljust(width) for field, width in zip(row, WIDTHS, strict=True))
            file.write((line.replace("family", name) if name else line) + "\n")


def write_orders(path: Path, count: int) -> None:
    """Short names, one level, little space: some 30 bytes for each element."""
    _write(path, "orders", (("order", zip(NAMES, row, strict=True)) for row in rows(count)))


def write_payments(path: Path, count: int) -> None:
    """Transactions as banks send them (ISO 20022, pain.001): long names, six levels, attributes, indented."""
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        file.write('<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">\n  <CstmrCdtTrfInitn>\n')
        for row in rows(count):
            file.write(PAYMENT.format(*map(escape, row)))
        file.write("  </CstmrCdtTrfInitn>\n</Document>\n")


PAYMENT = """    <CdtTrfTxInf>
      <PmtId>
        <InstrId>INSTR-{0}</InstrId>
        <EndToEndId>E2E-2024-{0}</EndToEndId>
      </PmtId>
      <Amt>
        <InstdAmt Ccy="EUR">{4}</InstdAmt>
      </Amt>
      <CdtrAgt>
        <FinInstnId>
          <BICFI>DEUTDEFFXXX</BICFI>
        </FinInstnId>
      </CdtrAgt>
      <Cdtr>
        <Nm>{1}</Nm>
        <PstlAdr>
          <StrtNm>Hauptstrasse</StrtNm>
          <TwnNm>{3}</TwnNm>
          <Ctry>DE</Ctry>
        </PstlAdr>
      </Cdtr>
      <CdtrAcct>
        <Id>
          <IBAN>DE89370400440532013000</IBAN>
        </Id>
      </CdtrAcct>
      <RmtInf>
        <Ustrd>Invoice {9} of {6}, thank you for your order</Ustrd>
      </RmtInf>
    </CdtTrfTxInf>
"""
ORDER, PAYMENT_PATH = "/orders/order", "/Document/CstmrCdtTrfInitn/CdtTrfTxInf"


def _write(path: Path, root: str, records: Iterable[tuple[str, Iterable[tuple[str, str]]]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(f"<{root}>\n")
        for name, fields in records:
            inside = "".join(f"    <{field}>{escape(value)}</{field}>\n" for field, value in fields)
            file.write(f"  <{name}>\n{inside}  </{name}>\n")
        file.write(f"</{root}>\n")


def penstock(path: Path, options: ParseOptions) -> int:
    with path.open("rb") as file, gc_deferred():
        chunks = iter(partial(file.read, 256 * KIB), b"")
        return sum(len(each.rows) for each in parse(chunks, options, batch_bytes=BATCH))


def sliced_lines(path: Path) -> int:
    """The usual loop: every line is sliced and stripped. Rows are kept as long as ours: a batch."""
    count = 0
    with path.open(encoding="utf-8") as file, gc_deferred():
        while batch := [[line[place].rstrip() for place in PLACES] for line in islice(file, BATCH // sum(WIDTHS))]:
            count += len(batch)
    return count


def pandas_fwf(path: Path) -> int:
    frames = import_module("pandas").read_fwf(
        path, widths=list(WIDTHS), names=list(NAMES), dtype=str, keep_default_na=False, chunksize=10_000
    )
    return sum(len(frame) for frame in frames)


def duckdb_fwf(path: Path) -> int:
    """DuckDB has no reader of fixed width: lines are cut by SQL, and its result is taken in batches of Arrow's size."""
    fields = ", ".join(f"rtrim(substr(line, {place.start + 1}, {place.stop - place.start}))" for place in PLACES)
    connection = import_module("duckdb").connect()
    connection.execute("SET threads = 1")
    source = f"read_csv('{path}', header = false, delim = '\\0', quote = '', columns = {{'line': 'VARCHAR'}})"
    result = connection.execute(f"SELECT {fields} FROM {source}")
    return sum(len(rows) for rows in iter(partial(result.fetchmany, 4096), []))


def iterparse(path: Path, library: str, record: str) -> int:
    """As it is usually done: each record becomes a dictionary, and is then cleared."""
    etree: Any = import_module(library)
    count = 0
    for _, element in etree.iterparse(str(path)):
        if element.tag.rpartition("}")[2] == record and as_dictionary(element):
            count += 1
            element.clear()
    return count


def as_dictionary(element: Any) -> dict[str, Any]:
    found: dict[str, Any] = dict(element.attrib)
    for child in element:
        name = child.tag.rpartition("}")[2]
        found[name] = as_dictionary(child) if len(child) else (child.text, dict(child.attrib))
    return found


def xml(record: str) -> dict[str, Read]:
    name = record.rpartition("/")[2]
    options = ParseOptions(format=Format.XML, record=record)
    readers: dict[str, Read] = {
        "Penstock": partial(penstock, options=options),
        "ElementTree.iterparse": partial(iterparse, library="xml.etree.ElementTree", record=name),
    }
    if find_spec("lxml"):
        readers["lxml iterparse"] = partial(iterparse, library="lxml.etree", record=name)
    return readers


def fixed(**options: Any) -> dict[str, Read]:
    ours = ParseOptions(format=Format.FIXED, fields=FIELDS, **options)
    readers: dict[str, Read] = {"Penstock": partial(penstock, options=ours), "sliced lines": sliced_lines}
    if find_spec("pandas"):
        readers["pandas.read_fwf"] = pandas_fwf
    if find_spec("duckdb"):
        readers["DuckDB, substr"] = duckdb_fwf
    return readers


# What is measured: the file, how it is written, a share of the rows, and who reads it.
CASES: list[tuple[str, Callable[[Path, int], None], float, dict[str, Read]]] = [
    ("Fixed width", write_fixed, 1, fixed()),
    ("Fixed width with umlauts", partial(write_fixed, name="Müller"), 1, fixed()),
    ("XML, orders", write_orders, 0.25, xml(ORDER)),
    ("XML, payments", write_payments, 0.25, xml(PAYMENT_PATH)),
    ("XML, payments, four times", write_payments, 1, {"Penstock": xml(PAYMENT_PATH)["Penstock"]}),
]


def run(case: int, contender: str, path: Path) -> tuple[int, float, int]:
    """Read once. Return rows, CPU seconds and the process's largest resident set, interpreter included.

    A few records are read before, so that imports do not count.
    """
    CASES[case][3][contender](path.with_name(FEW))
    before = time.process_time()
    count = CASES[case][3][contender](path)
    spent = time.process_time() - before
    status = Path("/proc/self/status").read_text().splitlines()
    return count, spent, next(int(line.split()[1]) * KIB for line in status if line.startswith("VmHWM:"))


def measure(folder: Path, count: int, repeat: int, only: str) -> Iterator[str]:
    for number, (name, write, share, contenders) in enumerate(CASES):
        if not name.startswith(only):
            continue
        path = folder / "source"
        write(path, int(count * share))
        write(path.with_name(FEW), 10)
        best: dict[str, tuple[int, float, int]] = {}
        for _ in range(repeat):
            for contender in contenders:
                with multiprocessing.get_context("spawn").Pool(1) as fresh:
                    done = fresh.apply(run, (number, contender, path))
                assert done[0] == int(count * share), f"{name}, {contender}: {done[0]} rows"
                best[contender] = min(best.get(contender, done), done, key=lambda each: each[1])
        size = path.stat().st_size
        for contender, (_, spent, peak) in best.items():
            yield (
                f"| {name} | {contender} | {size / 1e6:.0f} | {spent:.2f} | {size / spent / 1e6:.0f} | "
                f"{spent / best['Penstock'][1]:.2f} | {peak / MIB:.0f} |"
            )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forms", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=120_000, help="lines of fixed width (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each contender (default: %(default)s)")
    parser.add_argument("--only", default="", help="sources whose name starts with this; the results are not kept")
    options = parser.parse_args(argv)
    lines = [
        f"Rows of texts, or mappings; batches of {BATCH // KIB} KiB, best of {options.repeat}",
        "",
        "| source | reader | MB | CPU s | MB/s | CPU beside Penstock | peak MiB |",
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
