"""Files of whose first records none is good: why that may be."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence

from penstock.errors import HeaderRowError
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch, Reject
from penstock.model.wording import counted

# Rejects whose reasons a message gives.
SHOWN = 3
# Records that are looked at.
SAMPLED = 100
DELIMITERS = ";\t|,"
# How the raw text of a reject writes a byte that could not be decoded.
UNDECODED = re.compile(r"\\x[89a-f][0-9a-f]")


def reasons(rejects: Sequence[Reject]) -> str:
    """Where the first rejects stand and why they are some."""
    told = [
        f"row {reject.place.row:,} (byte {reject.place.offset:,}): "
        + (f"{reject.column}: {reject.reason}" if reject.column else reject.reason)
        for reject in rejects[:SHOWN]
    ]
    return "; ".join(told)


def lines_at(pieces: Iterable[bytes], offset: int) -> tuple[int, int]:
    """The numbers of the first line that is not blank, and of the one that begins at this byte."""
    before = b""
    for piece in pieces:
        before += piece
        if len(before) >= offset:
            break
    before = before[:offset]
    blank = before[: len(before) - len(before.lstrip(b"\r\n"))]
    return 1 + blank.count(b"\n"), 1 + before.count(b"\n")


def advice(
    options: ParseOptions, names: Sequence[str], rejects: Sequence[Reject], lines: tuple[int, int] = (1, 2)
) -> str:
    """What to do about a file of this header whose first records are these rejects; ``lines`` are the numbers of those
    of the header and of the first."""
    found = [
        advise
        for advise in (_delimiter(options, names), _encoding(options, rejects), _width(options, names, rejects, lines))
        if advise
    ]
    if options.format is Format.JSONL and not any(_is_json(reject.place.raw) for reject in rejects[:SHOWN]):
        found.append('Each line must be one JSON value. Of a file that is one JSON document, set the format to "json".')
    return " ".join(found) or "Correct the records that are listed, or the route's parse options, and load it again."


def refuse_other_delimiter(options: ParseOptions, sample: Batch) -> None:
    """Raises HeaderRowError where a CSV seems to have one column only because its delimiter is another one: the header
    holds it, and each of the first records as often."""
    if options.format is not Format.CSV or len(sample.names) != 1:
        return
    name = sample.names[0]
    texts = [str(row[0] or "") for row in sample.rows[:SAMPLED] if isinstance(row, Sequence)]
    for sign in DELIMITERS:
        times = name.count(sign)
        if times and texts and all(text.count(sign) == times for text in texts):
            raise HeaderRowError(
                f"the header row is one column, {name[:SAMPLED]!r}, and each record holds {sign!r} as often as it does",
                offset=0,
                hint=f"Set the delimiter to {sign!r}; or name the one column (parse.columns), if it is one.",
            )


def _delimiter(options: ParseOptions, names: Sequence[str]) -> str:
    others = [sign for sign in DELIMITERS if sign != options.delimiter and any(sign in name for name in names)]
    if options.format is not Format.CSV or not others:
        return ""
    return f"The header holds {others[0]!r}: set the delimiter to it, if that separates the fields."


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _encoding(options: ParseOptions, rejects: Sequence[Reject]) -> str:
    if not any(UNDECODED.search(reject.place.raw) for reject in rejects[:SHOWN]):
        return ""
    return f"The text is not {options.encoding}: set its encoding, such as cp1252 or latin-1."


def _width(options: ParseOptions, names: Sequence[str], rejects: Sequence[Reject], lines: tuple[int, int]) -> str:
    if options.format is not Format.CSV or not rejects:
        return ""
    first = rejects[0].place
    fields = next(csv.reader([first.raw], delimiter=options.delimiter, quotechar=options.quote), [])
    if not names or len(fields) == len(names):
        return ""
    header, record = (f"line {lines[0]:,}" if options.header else "the route"), f"line {lines[1]:,}"
    told = f"{header} has {counted(len(names), 'field')}, {record} has {len(fields)}".capitalize()
    return f"{told}: remove what stands above the header, or correct the header or the delimiter."
