"""Parse XML into batches. The document is never in memory as a whole."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import partial

from penstock.codecs.peek import peek
from penstock.errors import InvalidRouteError
from penstock.formats.batching import Fault, Piece, RecordSpan, discard, gather
from penstock.formats.encoding import Offsets
from penstock.formats.format import ParseSettings
from penstock.formats.window import Window
from penstock.formats.xml.declaration import HEAD, declared_encoding
from penstock.formats.xml.elements import FoundRecords
from penstock.formats.xml.reader import HeldText, read_steps
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RAW_LIMIT, Batch

_UTF8 = ParseOptions().encoding


def parse_xml(chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    """Yield batches whose rows are the elements at ``options.record``, as mappings (see `xml.elements`).

    A byte order mark decides the encoding, then the route's option unless it is UTF-8, then the declaration. Rejects:
    records over ``max_record``, and those with one name from two namespaces. To resume at ``resume.row``, all earlier
    records are parsed again. Memory: twice the larger of ``batch_bytes`` and ``max_record``, and the rows of one batch.

    Raises BadDocumentError if it is not XML or has a DOCTYPE, TruncatedSourceError if the source ends too early,
    both after the batches before the error were delivered; RecordsMissingError if nothing is where the records should
    be, and InvalidRouteError if the route does not say where.
    """
    if not options.record:
        raise InvalidRouteError(
            "the path to the records of the XML is not set", hint='Set parse.record, such as "/orders/order".'
        )
    head, chunks = peek(chunks, HEAD)
    encoding = options.encoding if options.encoding != _UTF8 else declared_encoding(head) or _UTF8
    feed = Window(chunks, encoding)
    cutter = RecordCutter(read_steps(feed, options))
    discard(cutter, settings.resume.row - 1, limit=options.max_record)
    yield from gather(
        cutter,
        names=(),
        resume=settings.resume,
        batch_bytes=settings.batch_bytes,
        max_record=options.max_record,
    )


class RecordCutter:
    """Cuts a document between records (see Cutter). A piece has records of one step."""

    def __init__(self, steps: Iterator[tuple[HeldText, FoundRecords]]) -> None:
        self._steps = steps
        self._text: HeldText | None = None
        self._found = FoundRecords()
        self._at = 0

    def cut(self, limit: int, most: int | None = None) -> Piece | None:
        """Cut at most ``most`` records."""
        if not self._has_more():
            return None
        found, at = self._found, self._at
        until = bisect_right(found.ends, found.starts[at] + limit, at)
        return self._piece(until if most is None else min(until, at + most)) if until > at else None

    def cut_long(self) -> Piece | None:
        return self._piece(self._at + 1) if self._has_more() else None

    def _has_more(self) -> bool:
        while self._at == len(self._found.values):
            step = next(self._steps, None)
            if step is None:
                return False
            self._text, self._found = step
            self._at = 0
        return True

    def _piece(self, until: int) -> Piece:
        found, text, first = self._found, self._text, self._at
        assert text is not None  # noqa: S101  # for mypy: there are records
        self._at = until
        bad = {number for number in found.faults if first <= number < until}
        good = [number for number in range(first, until) if number not in bad] if bad else range(first, until)
        return Piece(
            offset=found.heads[first][0] if first in found.heads else text.source_offset(found.starts[first]),
            end=text.source_offset(_end(text, found.ends[until - 1])),
            size=found.ends[until - 1] - found.starts[first],
            count=until - first,
            rows=[found.values[number] for number in good] if bad else found.values[first:until],
            spans=partial(_spans, text, found, first, good),
            faults=[Fault(span, found.faults[first + span.number]) for span in _spans(text, found, first, sorted(bad))],
            codec=text.encoding.codec,
        )


def _spans(text: HeldText, found: FoundRecords, first: int, numbers: Iterable[int]) -> Iterator[RecordSpan]:
    offsets = Offsets(text.encoding, text.data, text.offset)
    for number in numbers:
        if number in found.heads:
            yield RecordSpan(number - first, *found.heads[number])
            continue
        start, end = found.starts[number] - text.passed, _end(text, found.ends[number]) - text.passed
        yield RecordSpan(number - first, offsets.at(start), text.data[start : min(end, start + 4 * RAW_LIMIT)])


def _end(text: HeldText, end_tag: int) -> int:
    """Return where a record ends. ``end_tag``: the start of its end tag, or the end of an empty element."""
    at = end_tag - text.passed
    return text.passed + (text.data.find(b">", at) + 1 if text.data.startswith(b"</", at) else at)
