"""The declaration of the format of fixed-width fields."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.formats.boundaries import Rules, Text
from penstock.formats.diagnosis import encoding_advice
from penstock.formats.fixed.boundaries import PrefixRules
from penstock.formats.fixed.parser import layout_of, parse_fixed
from penstock.formats.format import Lines, RecordFormat
from penstock.formats.jsonl.boundaries import LineRules
from penstock.formats.window import Window
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Reject
from penstock.model.span import Within


def _text(options: ParseOptions, head: bytes) -> Text | None:
    """Return None for encodings that are not supersets of ASCII. The prefix stands in place of a delimiter."""
    window = Window([head], options.encoding)
    if window.encoding.foreign:
        return None
    prefix = options.record_prefix.encode(window.encoding.codec).decode("latin-1")
    return Text(prefix, lead=window.offset, format=Format.FIXED)


def _rules(text: Text) -> Rules:
    return PrefixRules(text.delimiter.encode("latin-1")) if text.delimiter else LineRules()


def _open(window: Window, options: ParseOptions) -> Within:
    layout_of(options)
    return Within(window.offset, 1, window.encoding.name)


def _advise(
    options: ParseOptions,
    names: Sequence[str],  # noqa: ARG001  # the route names them
    rejects: Sequence[Reject],
    lines: Lines,  # noqa: ARG001  # a reject names its row
) -> list[str]:
    return encoding_advice(options, rejects) or [
        'Correct the positions in parse.fields, or set parse.line_length = "any" if only a part of each line is wanted.'
    ]


FORMAT = RecordFormat(
    Format.FIXED,
    {"fixed": {}, "fwf": {}},
    parse_fixed,
    text=_text,
    rules=_rules,
    open=_open,
    ignores=("delimiter", "quote", "escape", "header", "columns", "records", "sheet"),
    own=("fields", "units", "record_prefix", "line_length", "trim"),
    advise=_advise,
)
