"""Counting records while a source is decoded: MB per second of CPU, for texts that are easy and hard to count.

    python -m benchmarks.boundaries [--rows N] [--repeat K]

Rows of 12 columns as in `benchmarks.parsers`. Pieces of 1 MiB, a mark every 4 MiB; the best run counts, as other work
on the machine only ever adds. Every count is compared with the number of rows.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.parsers import NAMES, Row, rows

from penstock.formats.boundaries import HEAD, Boundaries, BoundariesState, Text, text_of
from penstock.formats.survey import survey
from penstock.limits import MIB
from penstock.model.parse_options import Format, ParseOptions

RESULTS = Path(__file__).parent / "results"
STEP = 4
# Name, e-mail, city and code: a third of the columns.
QUOTED = (1, 2, 3, 11)
TEXT = 'A longer text, as people write it.\nIt has lines, and says "hello" at times'

Make = Callable[[Row], str]


def joined(row: Row, notes: str = "plain") -> str:
    return ",".join(map(str, (*row[:10], notes, row[11])))


def written(row: Row, quoting: int = csv.QUOTE_MINIMAL, notes: str | None = None) -> str:
    line = io.StringIO(newline="")
    fields = row if notes is None else (*row[:10], notes, row[11])
    csv.writer(line, lineterminator="\n", quoting=quoting).writerow(fields)  # type: ignore[arg-type]  # one of csv.QUOTE_*
    return line.getvalue().removesuffix("\n")


def third(row: Row, notes: str = "plain") -> str:
    fields = [f'"{field}"' if at in QUOTED else str(field) for at, field in enumerate(row)]
    return ",".join([*fields[:10], notes, fields[11]])


def doubled(row: Row) -> str:
    notes = row[10].replace('"', '""')
    return third(row, f'"{notes}"')


CASES: list[tuple[str, str, Make]] = [
    ("no quotes", "\n", joined),
    ("no quotes, CRLF", "\r\n", joined),
    ("a quoted comma in 1 row of 20", "\n", lambda row: joined(row, '"a, b"' if row[0] % 20 == 0 else "plain")),
    ("a quoted field in 2 rows of 5", "\n", written),
    ("the same, CRLF", "\r\n", written),
    ("a third of the fields quoted", "\n", third),
    ("the same, and a third of them empty or with doubled quotes or commas", "\n", doubled),
    ("all fields quoted", "\n", lambda row: written(row, csv.QUOTE_ALL, "plain")),
    ("a line end in quotes in 1 row of 20", "\n", lambda row: written(row, notes="a\nb" if row[0] % 20 == 0 else None)),
    ("a text with line ends and doubled quotes in every row", "\n", lambda row: written(row, notes=TEXT)),
]


def count(data: bytes, text: Text) -> int:
    counting = Boundaries(BoundariesState(text))
    for number, at in enumerate(range(0, len(data), MIB)):
        if number % STEP == 0:
            counting.mark()
        counting.feed(data[at : at + MIB])
    counting.finish()
    return counting.row - 1


def look(data: bytes, text: Text) -> int:
    """From the second byte on, where the state is not known."""
    pieces = (data[at : at + MIB] for at in range(1, len(data), MIB))
    return survey(pieces, text, 1).outcomes[2].begun + 1


def fastest(run: Callable[[bytes, Text], int], data: bytes, text: Text, expected: int, repeat: int) -> float:
    best = float("inf")
    for _ in range(repeat):
        cpu = time.process_time()
        assert run(data, text) == expected
        best = min(best, time.process_time() - cpu)
    return len(data) / best / 1e6


def measure(number: int, repeat: int) -> Iterator[str]:
    yield "| text | bytes per quote | in order | a range whose start is unknown |"
    yield "|---|--:|--:|--:|"
    options = ParseOptions(format=Format.CSV, header=False, columns=("any",))
    lines = ParseOptions(format=Format.JSONL)
    cases = [(name, end, make, options) for name, end, make in CASES]
    cases.append(("JSON Lines", "\n", lambda row: json.dumps(dict(zip(NAMES, row, strict=True))), lines))
    for name, end, make, parse in cases:
        data = "".join(make(row) + end for row in rows(number)).encode()
        text = text_of(parse, data[:HEAD])
        assert text
        quotes = data.count(b'"')
        spacing = f"{len(data) / quotes:,.0f}" if quotes else "-"
        speeds = [fastest(run, data, text, number, repeat) for run in (count, look)]
        yield f"| {name} | {spacing} | {speeds[0]:,.0f} | {speeds[1]:,.0f} |"
        print(name, *map(round, speeds), flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args(arguments)
    table = "\n".join(measure(given.rows, given.repeat))
    RESULTS.joinpath("boundaries.md").write_text(
        f"# Counting records\n\nMB per second of CPU, best of {given.repeat} runs over {given.rows:,} rows of some "
        f"130 bytes. Python {platform.python_version()}.\n\n{table}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
