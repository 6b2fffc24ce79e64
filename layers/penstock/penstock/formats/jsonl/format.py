"""The declaration of the format JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from penstock.formats.boundaries import Rules, Text
from penstock.formats.diagnosis import SHOWN, encoding_advice
from penstock.formats.format import Lines, ParseSettings, RecordFormat
from penstock.formats.jsonl.boundaries import LineRules
from penstock.formats.jsonl.parser import parse_json_lines
from penstock.formats.window import Window
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch, Reject
from penstock.model.span import Within


def _parse(chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    return parse_json_lines(
        chunks, options, batch_bytes=settings.batch_bytes, resume=settings.resume, within=settings.within
    )


def _text(options: ParseOptions, head: bytes) -> Text | None:
    """Return None for encodings that are not supersets of ASCII."""
    window = Window([head], options.encoding)
    return None if window.encoding.foreign else Text(lead=window.offset)


def _rules(text: Text) -> Rules:  # noqa: ARG001  # lines are lines
    return LineRules()


def _open(window: Window, options: ParseOptions) -> Within:  # noqa: ARG001  # there is no header
    return Within(window.offset, 1, window.encoding.name)


def _advise(
    options: ParseOptions,
    names: Sequence[str],  # noqa: ARG001  # there are none
    rejects: Sequence[Reject],
    lines: Lines,  # noqa: ARG001  # a reject names its row
) -> list[str]:
    advice = encoding_advice(options, rejects)
    if not any(_is_json(reject.position.raw) for reject in rejects[:SHOWN]):
        advice.append('Each line must be one JSON value. If the file is one JSON document, set the format to "json".')
    return advice


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


FORMAT = RecordFormat(
    Format.JSONL,
    {"jsonl": {}, "ndjson": {}},
    _parse,
    text=_text,
    rules=_rules,
    open=_open,
    ignores=("delimiter", "quote", "escape", "header", "columns", "records", "sheet"),
    advise=_advise,
)
