"""The declaration of the format Parquet. What reads it is imported on first use: it takes a package of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.codecs import unsupported
from penstock.formats.format import ParseSettings, Places, RecordFormat
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch
from penstock.model.source import RangeReader


def _parse(chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    from penstock.formats.parquet.parser import (  # noqa: PLC0415  # only a source in Parquet needs it
        parse_parquet,
        parse_parquet_stream,
    )

    if settings.ranges is not None:
        return parse_parquet(settings.ranges, options, settings)
    return parse_parquet_stream(chunks, options, settings)


def _find_places(
    ranges: RangeReader,
    options: ParseOptions,  # noqa: ARG001  # as FindPlaces says
    settings: ParseSettings,
) -> Places | None:
    from penstock.formats.parquet.parser import places_of  # noqa: PLC0415  # as above

    return places_of(ranges, settings)


FORMAT = RecordFormat(
    Format.PARQUET,
    {"parquet": {}, "pq": {}},
    _parse,
    find_places=_find_places,
    ignores=("delimiter", "quote", "escape", "encoding", "header", "columns", "records", "sheet"),
    text_based=False,
    accepts=(unsupported.PARQUET,),
    random_access=True,
    text_ratio=15,
    reads_ranges=True,
)
