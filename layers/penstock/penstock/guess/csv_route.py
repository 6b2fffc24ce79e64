"""Guess the route of a CSV by its beginning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from penstock.formats.encoding_guess import EncodingGuess, guess_encoding
from penstock.guess.columns import ColumnGuess, guess_column
from penstock.guess.dialect import DialectGuess, guess_dialect
from penstock.guess.layout import LayoutGuess, guess_layout, with_width_of_header
from penstock.guess.route_text import Option
from penstock.model.wording import counted

# The candidates for a key that are named.
KEYS = 5
# The line by which a file tells Excel its delimiter. A load skips it, as one of skip_lines, if there are any.
_STATED = re.compile(r'"?sep=([^\r\n"])"?(?:\r\n?|\n)', re.IGNORECASE)
_NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar", " ": "blank", ":": "colon"}


def guess_csv(head: bytes, *, whole: bool) -> tuple[list[Option], list[ColumnGuess], list[str]]:
    """Return the options, the columns and the notes for a CSV that begins with these bytes."""
    encoding = guess_encoding(head)
    text = head.decode(encoding.name, "replace").removeprefix("\ufeff")
    stated = _STATED.match(text)
    text = text[stated.end() :] if stated else text
    dialect = with_width_of_header(guess_dialect(text, whole=whole, stated=stated[1] if stated else ""))
    layout = guess_layout(dialect, text, whole=whole)
    if stated and (layout.skip_lines or layout.short_header):
        layout = replace(layout, skip_lines=layout.skip_lines + 1)
    names, given = _names(layout, dialect.width)
    columns = [guess_column(name, [record.fields[at] for record in layout.body]) for at, name in enumerate(names)]
    options = [*_of_text(encoding, dialect), *_of_layout(layout, names, given=given)]
    notes = [f"Guessed by the first {counted(len(layout.body), 'record')}" + (", all of them" if whole else "")]
    ragged = (
        len(dialect.records) - bool(layout.footer.option) * layout.footer.records - len(layout.body) - layout.header
    )
    if dialect.width > 1 and dialect.rivals:
        notes.append(f"Undecided: {', '.join(map(_shown, dialect.rivals))} would separate nearly as well")
    if layout.body and ragged > 0 and not layout.skip_lines and not layout.comment:
        notes.append(f"Rejected for another number of fields than {dialect.width}: {counted(ragged, 'record')}")
    return options, columns, [*notes, *layout.notes, *key_notes(columns)]


def key_notes(columns: Sequence[ColumnGuess]) -> list[str]:
    """Name the candidates for a key."""
    keys = [column.name for column in columns if column.is_unique][:KEYS]
    return [f"Candidates for a key (unique and never null in what was read): {', '.join(keys)}"] if keys else []


def _shown(delimiter: str) -> str:
    return _NAMES.get(delimiter, repr(delimiter))


def _of_text(encoding: EncodingGuess, dialect: DialectGuess) -> list[Option]:
    alike = sum(len(one.fields) == dialect.width for one in dialect.records)
    why = f"{alike:,} of {counted(len(dialect.records), 'record')} have {dialect.width} fields"
    options = [Option("format", "csv"), Option("encoding", encoding.name, encoding.evidence)]
    options.append(Option("delimiter", dialect.delimiter, why if dialect.width > 1 else "one field in a line"))
    if dialect.quote == "'":
        options.append(Option("quote", "'", "only single quotes enclose fields"))
    if not dialect.quote:
        options.append(Option("quoting", "none", "double quotes stand within texts, and do not enclose fields"))
    if dialect.escape:
        options.append(Option("escape", dialect.escape, "backslashes stand before quotes"))
    return options


def _of_layout(layout: LayoutGuess, names: Sequence[str], *, given: bool) -> list[Option]:
    options = []
    skip = layout.skip_lines + layout.short_header
    if layout.comment:
        options.append(Option("comment", layout.comment, "lines that begin with it have other fields"))
    if skip:
        options.append(Option("skip_lines", skip, "lines before the header or the first record"))
    if layout.footer.option:
        options.append(layout.footer.option)
    header = layout.header and not layout.short_header
    options.append(Option("header", header))
    if given:
        why = "the header lacks names or repeats them" if header else "no header: rename them"
        options.append(Option("columns", tuple(names), "" if layout.short_header else why))
    return options


def _names(layout: LayoutGuess, width: int) -> tuple[list[str], bool]:
    """Return the names of the columns, and whether the route must give them."""
    if not layout.header:
        return [f"column_{number}" for number in range(1, width + 1)], True
    counts = Counter(layout.names)
    if not layout.short_header and all(name.strip() for name in counts) and max(counts.values(), default=1) == 1:
        return list(layout.names), False
    seen: Counter[str] = Counter()
    names = []
    for number, name in enumerate(layout.names, 1):
        made = name if name.strip() else f"column_{number}"
        seen[made] += 1
        names.append(made if seen[made] == 1 else f"{made}_{seen[made]}")
    return names, True
