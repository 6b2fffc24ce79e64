"""The declaration of the format XLSX."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.codecs import unsupported
from penstock.formats.format import ParseSettings, RecordFormat
from penstock.formats.xlsx.parser import parse_xlsx_stream
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch


def _parse(chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    return parse_xlsx_stream(
        chunks, options, batch_bytes=settings.batch_bytes, resume=settings.resume, limits=settings.limits
    )


FORMAT = RecordFormat(
    Format.XLSX,
    {"xlsx": {}},
    _parse,
    ignores=("delimiter", "quote", "escape", "encoding", "records"),
    own=("skip_rows", "range", "skip_footer", "footer"),
    text_based=False,
    # The parser's own errors say more about these.
    accepts=(unsupported.ZIP, unsupported.XLSX, unsupported.OLE),
    random_access=True,
    finds_header=True,
)
