"""Guess the dialect of a CSV: delimiter, quote, escape, where its table begins and ends.

Each candidate reads the text. The best one makes most records equally wide, of cells that look like values
(as van den Burg et al., "Wrangling messy CSV files by detecting row and type patterns", 2019).
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Delimiters, and how much each is trusted: blanks and colons are common in texts.
DELIMITERS = {",": 1.0, ";": 1.0, "\t": 1.0, "|": 1.0, "^": 0.9, "~": 0.9, ":": 0.6, " ": 0.5}
# The characters and the records by which candidates are compared.
TEXT, RECORDS = 256 * 1024, 2000
# A candidate must make at least this share of records equally wide.
LEAST = 0.5
_VALUE = re.compile(
    r"\s*(?:"
    r"[+-]?[$€£]?[0-9][0-9., \xa0']*(?:[eE][+-]?[0-9]+)?%?"  # numbers
    r"|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[ T][0-9:.,Z+-]+)?|[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?"  # times
    r"|[^\t;|^~,\"]*(?:, [^\t;|^~,\"]*)*"  # words
    r")\s*"
)


@dataclass(frozen=True, slots=True)
class Record:
    """A record: the number of its first line, from 0, and its fields."""

    line: int
    fields: list[str]


@dataclass(frozen=True, slots=True)
class DialectGuess:
    """``quote`` is empty if quotes are text. ``width``: fields of most records. ``share``: the share of such records.
    ``records`` are all that were read. ``rivals`` are other delimiters that are nearly as good."""

    delimiter: str
    quote: str
    escape: str
    width: int
    share: float
    records: list[Record]
    score: float = 0.0
    rivals: tuple[str, ...] = ()


def guess_dialect(text: str, *, whole: bool, stated: str = "") -> DialectGuess:
    """Guess by the beginning of a text. ``whole``: the text is all of the source. ``stated``: its delimiter, if it
    says so."""
    head = text if len(text) <= TEXT else text[: text.rfind("\n", 0, TEXT) + 1 or TEXT]
    is_whole = whole and len(head) == len(text)
    found = [one for delimiter in stated or DELIMITERS for one in _candidates(head, delimiter, whole=is_whole)]
    found.sort(key=lambda one: -one.score)
    best = found[0] if found and found[0].score > 0 else None
    if best is None:
        records = _records(text, stated or ",", '"', "", whole=whole)
        return DialectGuess(stated or ",", '"', "", _width(records) if stated else 1, 1.0, records)
    rivals = {one.delimiter: one for one in found if one.score >= 0.9 * best.score and one.delimiter != best.delimiter}
    records = _records(text, best.delimiter, best.quote, best.escape, whole=whole)
    width = _width(records)
    share = sum(len(one.fields) == width for one in records) / len(records)
    return DialectGuess(best.delimiter, best.quote, best.escape, width, share, records, best.score, tuple(rivals))


def _candidates(head: str, delimiter: str, *, whole: bool) -> Iterator[DialectGuess]:
    if delimiter not in head:
        return
    quotes = _quotes(head, delimiter)
    for quote in quotes:
        for escape in ("", "\\") if quote and f"\\{quote}" in head else ("",):
            records = _records(head, delimiter, quote, escape, whole=whole)[:RECORDS]
            width = _width(records)
            plain = _plain(records)
            share = sum(len(one.fields) == width for one in plain) / max(1, len(plain))
            if width > 1 and share >= LEAST:
                cells = [cell for one in records if len(one.fields) == width for cell in one.fields]
                good = sum(1 for cell in cells if _VALUE.fullmatch(cell)) / len(cells)
                trust = DELIMITERS.get(delimiter, 1.0) * (1 if quote == quotes[-1] else 0.98)
                if quote and quote in head and not _closes(head, delimiter, quote, escape, whole=whole):
                    trust *= 0.8
                score = share * (good + 0.01) * (1 - 1 / width) ** 0.5 * trust
                yield DialectGuess(delimiter, quote, escape, width, share, [], score)


def _closes(head: str, delimiter: str, quote: str, escape: str, *, whole: bool) -> bool:
    """Whether quotes are closed, and no text follows a closing quote."""
    text = io.StringIO(head, newline="")
    try:
        for _ in csv.reader(text, delimiter=delimiter, quotechar=quote, escapechar=escape or None, strict=True):
            pass
    except csv.Error as error:
        return not whole and "unexpected end of data" in str(error)
    return True


def _quotes(head: str, delimiter: str) -> list[str]:
    """The quotes that may enclose fields, the likeliest last: single ones if no double ones do; none (empty) if double
    ones are not closed."""
    cell = rf"(?:^|{re.escape(delimiter)}){{0}}[^{{0}}\n]*{{0}}(?={re.escape(delimiter)}|\r?$)"
    single = len(re.findall(cell.format("'"), head, re.MULTILINE))
    double = len(re.findall(cell.format('"'), head, re.MULTILINE))
    if single and not double:
        return ['"', "'"]
    return ["", '"'] if '"' in head and (not double or head.count('"') % 2) else ['"']


def _records(text: str, delimiter: str, quote: str, escape: str, *, whole: bool) -> list[Record]:
    """Read records as Penstock does; blank lines are none. The last one is left out if it may be cut."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        escapechar=escape or None,
    )
    found, line = [], 0
    try:
        for fields in reader:
            if fields:
                found.append(Record(line, fields))
            line = reader.line_num
    except csv.Error:
        return found
    return found if whole else found[:-1]


def _width(records: Sequence[Record]) -> int:
    counts = Counter(len(one.fields) for one in _plain(records[:RECORDS]))
    return max(counts, key=lambda width: counts[width]) if counts else 0  # the first of equals


def _plain(records: Sequence[Record]) -> Sequence[Record]:
    """The records without comments, which say nothing about the dialect."""
    return [one for one in records if not one.fields[0].startswith("#")] or records
