"""The declaration of the format JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from penstock.codecs.peek import peek
from penstock.formats.boundaries import HEAD, Rules, Text
from penstock.formats.diagnosis import SHOWN, encoding_advice
from penstock.formats.format import Lines, ParseSettings, RecordFormat
from penstock.formats.json.document import parse_json_document, parse_json_stream
from penstock.formats.jsonl.boundaries import LineRules
from penstock.formats.jsonl.form import JsonForm, form_of
from penstock.formats.jsonl.parser import parse_json_lines
from penstock.formats.window import Window
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch, Reject
from penstock.model.span import Within


def _parse(chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    batch_bytes, resume = settings.batch_bytes, settings.resume
    if not settings.within:
        head, chunks = peek(chunks, HEAD)
        match form_of(head, options.encoding):
            case JsonForm.STREAM:
                return parse_json_stream(chunks, options, batch_bytes=batch_bytes, resume=resume)
            case JsonForm.DOCUMENT:
                return parse_json_document(chunks, replace(options, records=""), batch_bytes=batch_bytes, resume=resume)
    return parse_json_lines(chunks, options, batch_bytes=batch_bytes, resume=resume, within=settings.within)


def _text(options: ParseOptions, head: bytes) -> Text | None:
    """Return None for encodings that are not supersets of ASCII, and if records go on over line ends."""
    window = Window([head], options.encoding)
    if window.encoding.foreign or form_of(head, options.encoding) is not JsonForm.LINES:
        return None
    return Text(lead=window.offset)


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
