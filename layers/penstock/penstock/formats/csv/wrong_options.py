"""Find the option that is wrong where a header lacks declared columns: the delimiter or the encoding.

Only what is certain is told: read with the other option, the text holds a column that it lacks now.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from penstock.errors import HeaderRowError
from penstock.formats.csv.records import Dialect, dialect_of
from penstock.formats.encoding import Encoding, whole_characters
from penstock.model.likely_name import with_likely_names
from penstock.model.parse_options import ParseOptions

if TYPE_CHECKING:
    from penstock.formats.encoding_guess import EncodingGuess

DELIMITERS = ";\t|,"
# Bytes and lines that are examined.
_START, _LINES = 64 * 1024, 100


def refuse_wrong_options(
    options: ParseOptions, dialect: Dialect, encoding: Encoding, window: bytes, names: Sequence[str], *, offset: int
) -> None:
    """Raises HeaderRowError if the header, with which the window begins, lacks declared columns for such a reason."""
    lacking = [] if options.columns else [name for name in options.declared if name not in names]
    hint = wrong_option(options, dialect, encoding, window, lacking) if lacking else ""
    if hint:
        raise HeaderRowError(f"the header row lacks {with_likely_names(lacking, ())}", offset=offset, hint=hint)


def wrong_option(
    options: ParseOptions, dialect: Dialect, encoding: Encoding, window: bytes, lacking: Sequence[str]
) -> str:
    """Return what to do about the option that is wrong; empty if none is found."""
    window = window[:_START]
    if name := _better_encoding(encoding, window, lacking):
        return f"The text is not {encoding.name}: set the encoding (parse.encoding) to {name}."
    # One column of several may be there by chance.
    enough = max(len(options.declared) - len(lacking) + 1, min(2, len(options.declared)))
    for sign in DELIMITERS:
        if sign in (dialect.delimiter, options.quote, options.escape, options.comment):
            continue
        spans = islice(dialect_of(options, sign, dialect.codec).spans(window, last=True), _LINES)
        if any(len({*options.declared} & {*fields}) >= enough for _, _, fields in spans):
            return f"The delimiter of the header is {sign!r}: set the delimiter (parse.delimiter) to it."
    return ""


def encoding_hint(source: bytes) -> str:
    """Return what to do if a header is not of its encoding."""
    return f"Set the encoding (parse.encoding): the text is probably {_guess(source).name}."


def _guess(source: bytes) -> EncodingGuess:
    from penstock.formats.encoding_guess import guess_encoding  # noqa: PLC0415  # only for an error

    return guess_encoding(source)


def _better_encoding(encoding: Encoding, window: bytes, lacking: Sequence[str]) -> str:
    """Return the encoding in which the text holds a column that it lacks now; empty if there is none."""
    window = window[: whole_characters(window)] if encoding.codec == "utf-8" else window
    source = encoding.to_source(window) if encoding.foreign else window
    now = window.decode(encoding.codec, "replace")
    guess = _guess(source)
    for name in (guess.name, *guess.others):
        text = source.decode(name, "replace")
        if name != encoding.name and any(column in text and column not in now for column in lacking):
            return name
    return ""
