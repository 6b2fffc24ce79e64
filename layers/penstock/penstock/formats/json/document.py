"""Parse a JSON document with a list of records into batches. The document is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from penstock.errors import BadSourceError
from penstock.formats.batching import discard, gather
from penstock.formats.json.cutter import ElementCutter, document_cutter, path_of
from penstock.formats.json.elements import Form
from penstock.formats.json.walk import last_of_doubled, next_sign
from penstock.formats.window import Window
from penstock.model.load import Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch


def parse_json_document(
    chunks: Iterable[bytes], options: ParseOptions, *, batch_bytes: int, resume: Resume
) -> Iterator[Batch]:
    """Parse a document. Rows are the decoded elements of the list at ``options.records``, or one record for an object.
    If the first element is a list, the elements are records by the names in it (see `ElementCutter.read_names`).

    Floats are Decimal, with the text of the file. Of a repeated key the last value counts. Rejects: elements with
    invalid numbers, nested beyond the interpreter's stack, undecodable or over ``max_record``. To resume at
    ``resume.row``, all earlier elements are parsed again. Memory: five times the window (the larger of ``batch_bytes``
    and ``max_record``, at most their sum), one chunk, and the rows of one batch.

    Raises RecordsMissingError if there is no list, HeaderRowError if lists have no names, TruncatedSourceError if the
    source ends too early, and BadDocumentError if it is not JSON; the last two after the batches before the error were
    delivered.
    """
    feed = Window(chunks, options.encoding)
    if not next_sign(feed):
        return
    if not options.records_at:
        options = _settled_within(feed, options, max(batch_bytes, options.max_record))
    cutter = document_cutter(feed, options)
    discard(cutter, resume.row - 1, limit=options.max_record)
    yield from gather(
        cutter, names=(), resume=resume, batch_bytes=batch_bytes, max_record=options.max_record
    )  # fmt: skip


def parse_json_stream(
    chunks: Iterable[bytes], options: ParseOptions, *, batch_bytes: int, resume: Resume
) -> Iterator[Batch]:
    """Parse JSON values one after the other, over any lines: objects and lists, as `parse_json_document` does elements.

    Raises the same errors. To resume, values before ``resume.offset`` are passed over.
    """
    feed = Window(chunks, options.encoding)
    feed.skip_to(resume.offset)
    if next_sign(feed):
        cutter = ElementCutter(feed, Form.STREAM, options.max_record)
        yield from gather(cutter, names=(), resume=resume, batch_bytes=batch_bytes, max_record=options.max_record)


def settle_document(chunks: Iterable[bytes], options: ParseOptions) -> ParseOptions:
    """Return options that say which of repeated keys on the path to the records is the last.

    Reads to the end of the source, unless there is no path. Raises BadDocumentError and TruncatedSourceError.
    """
    if not options.records:
        return options
    feed = Window(chunks, options.encoding)
    return replace(options, records_at=last_of_doubled(feed, path_of(options))) if next_sign(feed) else options


def _settled_within(feed: Window, options: ParseOptions, size: int) -> ParseOptions:
    """Settle the options of a document of at most ``size`` bytes. Its errors are raised when it is parsed."""
    window, last = feed.window(size)
    if not (last and options.records):
        return options
    try:
        return settle_document([window], replace(options, encoding=feed.encoding.codec))
    except BadSourceError:
        return options
