"""Parse CSV into batches."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator

from penstock.errors import HeaderRowError, InvalidRouteError
from penstock.formats.batching import gather
from penstock.formats.csv.cutter import CsvCutter
from penstock.formats.csv.footer import Footer
from penstock.formats.csv.records import Dialect, Span, dialect_of
from penstock.formats.csv.skip import RecordSkipper
from penstock.formats.csv.start import START, Start, find_start
from penstock.formats.csv.wrong_options import encoding_hint, refuse_wrong_options
from penstock.formats.format import no_validator, tell_nobody
from penstock.formats.header import field_names
from penstock.formats.window import Window
from penstock.model.load import Resume
from penstock.model.parse_options import Extra, ParseOptions
from penstock.model.record import Batch, CsvValidatorFactory
from penstock.model.span import Within

# Nearly every header ends within these bytes; a longer one may take max_record bytes.
_HEADER = START


def parse_csv(
    chunks: Iterable[bytes],
    options: ParseOptions,
    *,
    batch_bytes: int,
    resume: Resume,
    validator_factory: CsvValidatorFactory = no_validator,
    within: Within | None = None,
    tell: Callable[[str], None] = tell_nobody,
) -> Iterator[Batch]:
    """Parse CSV. Rows are lists of str with one item per name. Blank lines are not records.

    Rejects: ragged rows, text after a closing quote, undecodable bytes, records over ``max_record``. To resume at
    ``resume.offset``, only the header is parsed again. Memory: twice the window (the larger of ``batch_bytes`` and
    ``max_record``, at most their sum), one chunk, and the rows of one batch: some six times their text. A batch
    that the validator accepts is parsed only when its rows are read.

    Raises HeaderRowError, and at the end, after all records before it were delivered, UnclosedQuoteError and
    TruncatedSourceError.
    """
    # The limit is global to the process and by default smaller than a record may be.
    csv.field_size_limit(max(csv.field_size_limit(), options.max_record))
    feed = Window(chunks, options.encoding, within)
    if within:
        dialect = dialect_of(options, within.delimiter, feed.encoding.codec)
        names = within.names
        resume = within.go_on(resume)
    else:
        start, names = open_csv(feed, options)
        dialect = start.dialect
        for note in start.notes:
            tell(note)
    footer = Footer(options, dialect, len(names)) if options.footer_bytes else None
    if not names:
        if footer:
            footer.check_alone(feed)
        return
    feed.skip_to(resume.offset)
    if footer and (not within or within.is_last):
        feed.filter_rest(footer.cut)
    cutter = CsvCutter(
        feed,
        dialect,
        width=len(names),
        row=resume.row,
        max_record=options.max_record,
        validator=validator_factory(names, dialect.delimiter, dialect.quote),
        footer=footer,
        ignores_extra=options.extra is Extra.IGNORE,
    )
    yield from gather(cutter, names=names, resume=resume, batch_bytes=batch_bytes, max_record=options.max_record)
    if footer:
        footer.check(cutter.records, feed.offset)


def open_csv(feed: Window, options: ParseOptions) -> tuple[Start, tuple[str, ...]]:
    """Return how a source starts and its names, and move its window past the header. An empty source has no names."""
    if not options.header and not options.columns:
        raise InvalidRouteError("a CSV without header needs names", hint="Set parse.columns in the route.")
    start = find_start(feed, options)
    return start, _names(feed, start.dialect, options) if options.header else options.columns


def _names(feed: Window, dialect: Dialect, options: ParseOptions) -> tuple[str, ...]:
    """Return the names in the first record that is not blank; an empty file has none."""
    for size in (min(_HEADER, options.max_record), options.max_record):
        window, last = feed.window(size)
        window = dialect.uncommented(window, last=last)
        header = next((span for span in dialect.spans(window, last=last) if span[2]), None)
        if header:
            return _header(feed, dialect, window, header, options)
    if last and not window.strip(b"\r\n"):
        return ()
    if last:
        feed.advance(len(window) - len(window.lstrip(b"\r\n")))
        RecordSkipper(feed, dialect).skip("the header row")
    raise HeaderRowError(f"the header row is longer than {options.max_record:,} bytes", offset=feed.offset)


def _header(feed: Window, dialect: Dialect, window: bytes, header: Span, options: ParseOptions) -> tuple[str, ...]:
    start, end, fields = header
    feed.advance(start)
    offset, record = feed.offset, window[start:end]
    try:
        record.decode(dialect.codec)
    except UnicodeDecodeError as error:
        at = offset + feed.encoding.source_length(record[: error.start])
        raise HeaderRowError(
            f"the header row is not {feed.encoding.name}",
            offset=at,
            hint="" if feed.encoding.foreign else encoding_hint(window),
        ) from error
    refuse_wrong_options(options, dialect, feed.encoding, window[start:], fields, offset=offset)
    if stray := dialect.stray(record):
        raise HeaderRowError(f"in the header row {stray}", offset=offset)
    feed.advance(len(record))
    return field_names(fields, options.columns, offset=offset)
