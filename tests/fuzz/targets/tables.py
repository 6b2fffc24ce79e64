"""Damaged CSV and JSON Lines through parsers and tables, beside the csv and json modules."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from random import Random

from fuzz.harness import Target
from fuzz.mutation import damaged, json_text, odd
from fuzz.targets.sources import chunks_of
from fuzz.targets.texts import CELLS, csv_text, encoded, options_of, shape
from parser_checks import check as consistent
from penstock.errors import UnclosedQuoteError
from penstock.formats import parse
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch

TOKENS = (
    *(
        text.encode("utf-8", "surrogatepass")
        for text in (
            *CELLS,
            ",",
            "\n",
            "\r\n",
            "\r",
            '"\n',
            '"',
            '""',
            "\ufeff",
            "sep=,\n",
            "\udc80",
            "x" * 3000,
            "NaN",
            "{",
            "}",
        )
    ),
    *(b"\xff\xfe", b"\xc3", b"\xff\xfe\0\0", b"\xe2\x82"),
)


def read(data: bytes, options: ParseOptions, rng: Random, *, shaped: bool = True) -> Iterator[Batch]:
    batch_bytes = rng.choice((1, 30, 10_000))
    row = 1
    for batch in parse(chunks_of(data, rng), options, batch_bytes=batch_bytes):
        consistent(batch, len(data))
        assert batch.first_row == row
        row += batch.count
        if shaped and row < 200:
            shape(rng, options, batch)
        yield batch


def make_csv(rng: Random) -> bytes:
    return damaged(rng, csv_text(rng), TOKENS)


def check_csv(data: bytes, rng: Random) -> None:
    for _ in read(data, options_of(rng, Format.CSV), rng):
        pass


def check_reference(data: bytes, rng: Random) -> None:
    """Records are those of csv.reader, wherever the bytes are UTF-8, but for those with text behind a closing quote:
    csv.reader puts the two together, and the parser rejects them."""
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    if text.lower().startswith(("sep=", '"sep=')):
        return
    options = ParseOptions(format=Format.CSV, header=False, columns=("c0", "c1"), delimiter_stated=True)
    wanted = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    good: list[object] = []
    rejects: dict[int, str] = {}
    count = 0

    def expected() -> list[list[str]]:
        return [row for number, row in enumerate(wanted, 1) if len(row) == 2 and number not in rejects]

    try:
        for batch in read(text.encode(), options, rng, shaped=False):
            good += batch.rows
            rejects |= {reject.position.row: reject.position.raw for reject in batch.rejects}
            count += batch.count
    except UnclosedQuoteError:
        assert good == expected()[: len(good)]
        raise
    assert count == len(wanted)
    assert good == expected()
    assert all(len(wanted[row - 1]) != 2 or '"' in raw for row, raw in rejects.items())


def lines_text(rng: Random) -> bytes:
    lines = [json_text(odd(rng)).decode() for _ in range(rng.choice((0, 1, 8)))]
    lines += [f'{{"a": {json.dumps(rng.choice(CELLS))}, "b": {rng.choice(CELLS)}}}' for _ in range(rng.choice((1, 20)))]
    rng.shuffle(lines)
    return encoded(rng, rng.choice(("\n", "\r\n", "\n\n")).join(lines))


def make_lines(rng: Random) -> bytes:
    return damaged(rng, lines_text(rng), TOKENS)


def check_lines(data: bytes, rng: Random) -> None:
    options = options_of(rng, Format.JSONL)
    rows = [row for batch in read(data, options, rng) for row in batch.rows]
    if (
        options.encoding == "utf-8"
        and options.max_record > len(data)
        and not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
    ):
        assert len(rows) == sum(map(is_json, data.removeprefix(b"\xef\xbb\xbf").split(b"\n")))


def is_json(line: bytes) -> bool:
    """By Python's reader, which takes more than JSON is: numbers beyond all bounds and constants."""
    try:
        json.loads(line.decode().strip(" \t\r\n"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> None:
    raise ValueError(name)


TARGETS = (
    Target("csv", make_csv, check_csv),
    Target("csv-reader", make_csv, check_reference),
    Target("jsonl", make_lines, check_lines),
)
