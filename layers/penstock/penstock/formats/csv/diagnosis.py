"""Explain why none of the first records of a CSV is good."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from penstock.errors import HeaderRowError
from penstock.formats.csv.wrong_options import DELIMITERS
from penstock.formats.diagnosis import encoding_advice
from penstock.formats.format import Lines
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch, Reject
from penstock.model.wording import counted

# The number of records that are examined.
SAMPLED = 100
_FOUND = re.compile(r"expected \d+ fields?, found (\d+)")


def advise(options: ParseOptions, names: Sequence[str], rejects: Sequence[Reject], lines: Lines) -> list[str]:
    """Return advice about another delimiter, another encoding, or a title above the header."""
    return [*_delimiter(options, names), *encoding_advice(options, rejects), *_width(options, names, rejects, lines)]


def refuse_other_delimiter(options: ParseOptions, sample: Batch) -> None:  # noqa: ARG001  # as RecordFormat says
    """Raises HeaderRowError if the header is one column, and contains a delimiter as often as each of the first
    records."""
    if len(sample.names) != 1:
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


def _delimiter(options: ParseOptions, names: Sequence[str]) -> list[str]:
    others = [sign for sign in DELIMITERS if sign != options.delimiter and any(sign in name for name in names)]
    return [f"The header holds {others[0]!r}: set the delimiter to it, if that separates the fields."] if others else []


def _width(options: ParseOptions, names: Sequence[str], rejects: Sequence[Reject], lines: Lines) -> list[str]:
    if not rejects:
        return []
    # The parser knows the delimiter that was found.
    found = _FOUND.match(rejects[0].reason)
    raw, quote = rejects[0].position.raw, options.quote
    fields = next(csv.reader([raw], delimiter=options.delimiter, quotechar=quote), []) if quote else []
    width = int(found[1]) if found else len(fields)
    if not names or width == len(names):
        return []
    header_line, record_line = lines()
    above = options.skip_lines or options.find_header
    header = "the header" if above else f"line {header_line:,}" if options.header else "the route"
    widths = f"{header} has {counted(len(names), 'field')}, line {record_line:,} has {width}".capitalize()
    return [f"{widths}: skip what stands above the header (parse.skip_lines), or correct the header or the delimiter."]
