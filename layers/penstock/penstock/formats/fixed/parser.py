"""Parse lines of fixed-width fields into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.errors import InvalidRouteError
from penstock.formats.batching import gather
from penstock.formats.fixed.lines import LineFields
from penstock.formats.format import ParseSettings
from penstock.formats.line_cutter import LineCutter
from penstock.formats.window import Window
from penstock.model.fixed_layout import Layout, read_layout
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch


def parse_fixed(chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    """Yield batches whose rows have a text for each field. Blank lines, and lines without the prefix, are not records.

    Rejects: lines of a wrong length (see `LineLength`), undecodable ones, and those over ``max_record``. Memory: three
    times the window (the larger of ``batch_bytes`` and ``max_record``, at most their sum), one chunk, and the fields of
    one batch.

    Raises InvalidRouteError if the fields are missing or wrong.
    """
    layout = layout_of(options)
    feed = Window(chunks, options.encoding, settings.within)
    resume = settings.within.go_on(settings.resume) if settings.within else settings.resume
    feed.skip_to(resume.offset)
    yield from gather(
        LineCutter(feed, LineFields(layout, options, feed.encoding), options.max_record),
        names=layout.names,
        resume=resume,
        batch_bytes=settings.batch_bytes,
        max_record=options.max_record,
    )


def layout_of(options: ParseOptions) -> Layout:
    """Return the layout of the options. Raises InvalidRouteError."""
    try:
        return read_layout(options.fields)
    except InvalidRouteError as error:
        raise InvalidRouteError(f"parse.fields: {error.message}", hint="Set parse.fields in the route.") from error
