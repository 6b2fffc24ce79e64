"""The declaration of the format of JSON documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.formats.format import ParseSettings, RecordFormat
from penstock.formats.json.document import parse_json_document, settle_document
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch


def _parse(chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    return parse_json_document(chunks, options, batch_bytes=settings.batch_bytes, resume=settings.resume)


def _is_settled(options: ParseOptions) -> bool:
    """Return whether no path is set. A path must be followed to the end, because the last of repeated keys counts."""
    return not options.records


FORMAT = RecordFormat(
    Format.JSON,
    {"json": {}},
    _parse,
    is_settled=_is_settled,
    settle=settle_document,
    ignores=("delimiter", "quote", "escape", "sheet"),
)
