"""How a CSV starts: the lines to skip, the delimiter, and where the header or the first record is.

All of it is decided by the first bytes of a source. So one pass, the index, each span and each retry decide alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from penstock.errors import HeaderRowError
from penstock.formats.csv.footer import likely_footer
from penstock.formats.csv.records import Dialect, Fields, dialect_of
from penstock.formats.csv.wrong_options import wrong_option
from penstock.formats.window import Window
from penstock.model.column import NAME_LENGTH
from penstock.model.likely_name import with_likely_names
from penstock.model.parse_options import MOST_LINES, ParseOptions
from penstock.model.wording import counted

# Skipped lines, and the lines in which a header is looked for, are within so many bytes.
START = 64 * 1024
# The delimiters that are recognised, and the number of records that must agree.
OTHERS, AGREEING = ";\t|", 100
# Lines with an open quote that are tried as the first of a header of several lines: each takes a millisecond or two.
LONG = 100
# Names in a message.
_LISTED = 5

# A first line that Excel reads and does not show.
_SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n"\ufffd])"?(?:\r\n|\r|\n)', re.IGNORECASE)
# How bytes that are not of the encoding are read.
_UNDECODED = re.compile("[\udc80-\udcff]")
_LINE_END = re.compile(rb"\r\n?|\n")


@dataclass(frozen=True, slots=True)
class Start:
    """The dialect of a source. ``notes`` tell what was found that the route does not say."""

    dialect: Dialect
    notes: tuple[str, ...] = ()


def find_start(feed: Window, options: ParseOptions) -> Start:
    """Return the dialect of a source, and move its window to the header or, without one, to the first record.

    A line that only names the delimiter is one of the skipped lines. Blank lines may follow. Raises HeaderRowError.
    """
    codec = feed.encoding.codec
    first, _ = feed.window(16)
    line = _SEPARATOR_LINE.match(first.decode(codec, "replace"))
    skipped = max(options.skip_lines, bool(line))
    _skip_lines(feed, skipped, bounded=bool(line) and not options.skip_lines)
    if line or options.delimiter_stated or options.delimiter != ParseOptions().delimiter:
        signs = [line[1] if line else options.delimiter]
    else:
        others = [sign for sign in OTHERS if sign not in (options.quote, options.escape, options.comment)]
        signs = [options.delimiter, *others]
    dialects = [dialect_of(options, sign, codec) for sign in signs]
    if options.find_header:
        return _at_header(feed, dialects, options, skipped)
    found = _delimited(feed, dialects, options) if len(dialects) > 1 else None
    return Start(found, (_told(found),)) if found else Start(dialects[0])


def _told(dialect: Dialect) -> str:
    return f"delimiter {dialect.delimiter!r} found: the route sets none"


def _skip_lines(feed: Window, count: int, *, bounded: bool) -> None:
    """Skip physical lines: quotes mean nothing in them. ``bounded``: they are known to be there."""
    if not count:
        return
    window, last = feed.window(16 if bounded else START)
    ends = [line.end() for line in islice(_LINE_END.finditer(window), count)]
    passed = ends[-1] if ends else 0
    if len(ends) == count and (last or bounded or passed < len(window)):
        feed.advance(passed)
        return
    if last and (not window.strip(b"\r\n") or (len(ends) == count - 1 and passed < len(window))):
        feed.advance(len(window))
        return
    if not last:
        raise HeaderRowError(
            f"the first {counted(count, 'line')}, which skip_lines skips, {'has' if count == 1 else 'have'} more than "
            f"{START:,} bytes",
            offset=feed.offset,
            hint="Correct parse.skip_lines in the route.",
        )
    lines = len(ends) + (passed < len(window))
    raise HeaderRowError(
        f"there {'is' if lines == 1 else 'are'} only {counted(lines, 'line')}, and skip_lines skips {count:,}",
        offset=feed.offset,
        hint="Correct parse.skip_lines in the route, or the file.",
    )


def _delimited(feed: Window, dialects: Sequence[Dialect], options: ParseOptions) -> Dialect | None:
    """Return the dialect of the only other delimiter that fits; None if the first one fits, or if none is certain.

    Another one may fit if the first record is one field by the first one. It fits if the header then holds all declared
    columns, or if the header and the first records, one at least, have as many fields.
    """
    window, last = feed.window(START)
    if last and options.footer_bytes:
        window = window[: likely_footer(window, options, feed.encoding.codec)]
    fields = _first_fields(dialects[0], window, last=last)
    if len(fields) != 1 or fields[0] in options.declared or len(options.columns) == 1:
        return None
    named, alike = [], []
    for dialect in dialects[1:]:
        if dialect.delimiter not in fields[0]:
            continue
        plain = dialect.uncommented(window, last=last)
        spans = list(islice((span for span in dialect.spans(plain, last=last) if span[2]), AGREEING + 1))
        if not spans or dialect.stray(window[spans[0][0] : spans[0][1]]):
            continue
        header, width = spans[0][2], len(spans[0][2])
        if width == 1 or (options.columns and width != len(options.columns)):
            continue
        if options.header and options.declared and set(options.declared) <= set(header):
            named.append(dialect)
        if len(spans) > options.header and all(len(span[2]) == width for span in spans):
            alike.append(dialect)
    found = named or alike
    return found[0] if len(found) == 1 else None


def _first_fields(dialect: Dialect, window: bytes, *, last: bool) -> Fields:
    """Return the fields of the first record that is not blank. Nearly always only its line is parsed."""
    records = _records_at_lines(dialect, window.lstrip(b"\r\n"), last=last)
    return next((fields or [] for _, _, fields in records if fields != []), [])


def _records_at_lines(dialect: Dialect, window: bytes, *, last: bool) -> Iterator[tuple[int, int, Fields | None]]:
    """Yield for each line its number, its first byte, and the fields of the record that begins there: none of a blank
    line or a comment, and None if the record does not end. At most LONG records of several lines are parsed."""
    at = number = long = 0
    while at < len(window):
        found = _LINE_END.search(window, at)
        if not found and not last:
            return
        end = found.end() if found else len(window)
        line = window[at:end]
        number += 1
        if dialect.is_comment(line):
            yield number, at, []
            at = end
            continue
        quotes = dialect.blank(line).count(dialect.quote_bytes) if dialect.quote else 0
        # A record with an open quote goes on in the next line, and so does one with an escaped line end.
        rest = quotes % 2 or line.rstrip(b"\r\n").endswith(dialect.escape.encode() or b"\n")
        long += bool(rest)
        text, is_end = (window[at:], last) if rest else (line, True)
        fields = None
        if not rest or long <= LONG:
            fields = next((fields for _, _, fields in dialect.spans(text, last=is_end)), None)
        yield number, at, fields
        at = end


@dataclass(slots=True)
class _Search:
    """The line that holds most of the declared columns, and what else it holds."""

    dialect: Dialect
    lacking: list[str]
    others: list[str] = field(default_factory=list)
    line: int = 0
    at: int = 0
    examined: int = 0


def _search(dialect: Dialect, window: bytes, declared: Sequence[str], *, last: bool) -> _Search:
    best = _Search(dialect, list(declared))
    for number, at, fields in islice(_records_at_lines(dialect, window, last=last), MOST_LINES):
        best.examined = number
        lacking = [name for name in declared if name not in (fields or ())]
        if len(lacking) < len(best.lacking):
            best.lacking, best.line, best.at = lacking, number, at
            best.others = [name[:NAME_LENGTH] for name in fields or () if name and name not in declared]
        if not lacking:
            break
    return best


def _at_header(feed: Window, dialects: Sequence[Dialect], options: ParseOptions, skipped: int) -> Start:
    """Move the window to the first line that holds all declared columns."""
    window, last = feed.window(START)
    if last and not window.strip(b"\r\n"):
        return Start(dialects[0])
    first = _search(dialects[0], window, options.declared, last=last)
    # Another delimiter counts only in an earlier line.
    before, is_whole = (window, last) if first.lacking else (window[: first.at], True)
    others = [_search(dialect, before, options.declared, last=is_whole) for dialect in dialects[1:]]
    searches = [first, *others]
    found = [search for search in others if not search.lacking] or [first][bool(first.lacking) :]
    if len(found) > 1:
        signs = " and ".join(repr(search.dialect.delimiter) for search in found)
        raise HeaderRowError(
            f"the header is found with the delimiters {signs}",
            offset=feed.offset,
            hint="Set parse.delimiter in the route.",
        )
    if not found:
        nearest = min(searches, key=lambda search: len(search.lacking))
        wrong = wrong_option(options, nearest.dialect, feed.encoding, window, nearest.lacking)
        raise _not_found(nearest, feed, skipped, wrong)
    feed.advance(found[0].at)
    told = (_told(found[0].dialect),) if found[0].dialect is not dialects[0] else ()
    return Start(found[0].dialect, (*told, f"header found in line {skipped + found[0].line:,}"))


def _not_found(nearest: _Search, feed: Window, skipped: int, wrong: str) -> HeaderRowError:
    """The error if no line holds all declared columns."""
    names = with_likely_names(nearest.lacking, nearest.others)
    has = f", and has {', '.join(map(repr, nearest.others[:_LISTED]))}" if nearest.others else ""
    where = f"; the nearest, line {skipped + nearest.line:,}, lacks {names}{has}" if nearest.line else f": {names}"
    after = f" after line {skipped:,}" if skipped else ""
    hint = "Correct the columns in the route, or say where the header is by parse.skip_lines, without header."
    if wrong:
        hint = wrong
    elif _UNDECODED.search("".join(nearest.others)):
        hint = f"Set parse.encoding in the route: line {skipped + nearest.line:,} is not {feed.encoding.name}."
    if nearest.examined > 1:
        message = f"none of the first {nearest.examined:,} lines{after} holds all declared columns{where}"
    elif nearest.examined:
        message = f"the first line{after} does not hold all declared columns{where}"
    else:
        message = f"the first line{after} has more than {START:,} bytes: a header is not looked for behind it"
    return HeaderRowError(
        message,
        offset=feed.offset,
        hint=hint,
    )
