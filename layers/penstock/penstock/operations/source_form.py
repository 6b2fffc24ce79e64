"""Rejected records in the form of their source: a file to correct and to drop again.

The file begins with what the source has before its first record (byte order mark, skipped lines, header), byte for
byte. Then come the records: the raw texts of the rejects, or, where those are left out, are cut or hold bytes that
could not be decoded, the bytes of the source at the same offset. A record that can be had from neither is named, and
never written.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from penstock.errors import BadSourceError, InvalidRouteError
from penstock.formats import ReadLimits, parse
from penstock.limits import MIB
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import RAW_LIMIT, Batch, RecordPosition, Reject
from penstock.operations.source_footer import footer_line

# The formats whose records stand one behind the other.
TEXTS = (Format.CSV, Format.JSONL, Format.FIXED)
# Records are searched for in batches of this size.
BATCH = 1 * MIB
# A byte that could not be decoded, as raw texts show it.
_UNDECODED = re.compile(r"\\x[0-9a-f]{2}")

# With one of these marks, the source has this encoding, whatever the options say.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

Open = Callable[[], Generator[bytes, None, None]]


@dataclass(slots=True)
class SourceForm:
    """Writes rejects in the form of a source that was parsed with ``options``. ``opened`` decodes the source from its
    beginning; None if it is no longer there.

    ``missing`` are the positions of records that were not written, ``count`` is the number of those that were.
    Memory: two batches of records, and the offsets of the records that must be fetched.

    Raises InvalidRouteError for a format whose records cannot stand alone, and for a header that cannot be read.
    """

    options: ParseOptions
    opened: Open | None
    limits: ReadLimits = field(default_factory=ReadLimits)
    count: int = 0
    missing: list[RecordPosition] = field(default_factory=list)
    _encoding: str = "utf-8"

    def pieces(self, rejects: Iterable[Reject]) -> Iterator[bytes]:
        """Yield the bytes of the file."""
        if self.options.format is Format.XLSX:
            yield from self._of_sheet(rejects)
            return
        if self.options.format not in TEXTS:
            raise InvalidRouteError(
                f"records of {self.options.format} are parts of their file: they cannot stand alone in another one",
                hint="Write them as JSON Lines: leave --as-source out.",
            )
        head = self._head()
        yield head
        end = b"\r\n" if head.endswith(b"\r\n") else b"\n"
        self._encoding = next((name for mark, name in _MARKS if head.startswith(mark)), self.options.encoding)
        encoder = _encoder(self._encoding, started=bool(head))
        wanted: list[RecordPosition] = []
        for reject in rejects:
            at = reject.position
            if at.offset < 0 or not at.raw or len(at.raw) >= RAW_LIMIT or _UNDECODED.search(at.raw):
                wanted.append(at)
                continue
            yield encoder(at.raw + end.decode())
            self.count += 1
        yield from self._fetched(wanted, encoder(end.decode()))
        # The last lines of a file of this route are no records.
        yield encoder(("(footer)" + end.decode()) * self.options.skip_footer)
        if self.options.footer and self.opened:
            with closing(self.opened()) as pieces:
                line = footer_line(pieces, self.options, self._encoding, self.count)
            yield encoder(line + end.decode() if line else "")

    def _head(self) -> bytes:
        """The bytes before the first record."""
        if self.opened is None:
            if self.options.format is Format.CSV and self.options.header:
                raise InvalidRouteError(
                    "the header is not known: the source is no longer there",
                    hint="Give a copy of the source: --source FILE",
                )
            return b""
        with closing(self.opened()) as pieces:
            first = next(iter(parse(pieces, self.options, batch_bytes=1, limits=self.limits)), None)
        if first is None or not first.count:
            return b""
        with closing(self.opened()) as pieces:
            return b"".join(_slices(pieces, [(0, first.offset)])) if first.offset else b""

    def _fetched(self, wanted: list[RecordPosition], end: bytes) -> Iterator[bytes]:
        """Yield records from the source."""
        if not wanted or self.opened is None:
            self.missing += wanted
            return
        wanted = sorted(self._placed(wanted), key=lambda at: at.offset)
        self.missing += [at for at in wanted if at.offset < 0]
        wanted = [at for at in wanted if at.offset >= 0]
        if not wanted:
            return
        ranges = dict(self._ranges(wanted))
        found = [at for at in wanted if at.offset in ranges]
        self.missing += [at for at in wanted if at.offset not in ranges]
        with closing(self.opened()) as pieces:
            for at, record in zip(found, _slices(pieces, sorted(ranges.items())), strict=True):
                if not record.decode(self._encoding, "backslashreplace").startswith(at.raw):
                    self.missing.append(at)  # the source is not the one of the job
                    continue
                self.count += 1
                yield record if record.endswith(end) else record + end

    def _placed(self, wanted: list[RecordPosition]) -> list[RecordPosition]:
        """Find the offsets of rows that were refused when all rows of a load were moved: they have their number, and
        the row of the table instead of the record."""
        unplaced = {at.row for at in wanted if at.offset < 0}
        if not unplaced:
            return wanted
        assert self.opened  # noqa: S101  # for mypy
        found: dict[int, RecordPosition] = {}
        with closing(self.opened()) as pieces:
            for batch in parse(pieces, self.options, batch_bytes=BATCH, limits=self.limits):
                found |= {at.row: replace(at, raw="") for at in _positions(batch) if at.row in unplaced}
                if len(found) == len(unplaced):
                    break
        return [found.get(at.row, at) if at.offset < 0 else at for at in wanted]

    def _ranges(self, wanted: Sequence[RecordPosition]) -> Iterator[tuple[int, int]]:
        """Yield begin and end of the records at these positions, as far as they are found."""
        assert self.opened  # noqa: S101  # for mypy
        offsets = [at.offset for at in wanted]
        with closing(self.opened()) as pieces:
            resume = Resume(chunk=1, offset=offsets[0], row=wanted[0].row)
            for batch in parse(pieces, self.options, batch_bytes=BATCH, resume=resume, limits=self.limits):
                inside = offsets[bisect_left(offsets, batch.offset) : bisect_left(offsets, batch.end)]
                if inside:
                    starts = [*sorted({at.offset for at in _positions(batch)}), batch.end]
                    known = set(starts)
                    yield from ((one, starts[bisect_right(starts, one)]) for one in inside if one in known)
                if batch.end > offsets[-1]:
                    return

    def _of_sheet(self, rejects: Iterable[Reject]) -> Iterator[bytes]:
        """Yield rows of a workbook as CSV in UTF-8, by the numbers of the rejects."""
        if self.opened is None:
            raise InvalidRouteError(
                "the rows are not known: the workbook is no longer there",
                hint="Give a copy of the source: --source FILE",
            )
        if self.options.sheets:
            raise InvalidRouteError(
                "the rejects of several sheets do not fit one CSV",
                hint="Write them as JSON Lines: leave --as-source out.",
            )
        wanted = {reject.position.row: reject.position for reject in rejects}
        if not wanted:
            return
        is_first = True
        with closing(self.opened()) as pieces:
            for batch in parse(pieces, self.options, batch_bytes=BATCH, limits=self.limits):
                rows = [_cells(row) for at, row in _rows(batch) if wanted.pop(at.row, None)]
                names = [batch.names] if is_first and self.options.header else []
                is_first = False
                self.count += len(rows)
                yield _as_csv([*names, *rows])
                if not wanted:
                    return
        self.missing += wanted.values()


def _encoder(encoding: str, *, started: bool) -> Callable[[str], bytes]:
    """Return what encodes texts. A byte order mark comes first in the file only."""
    made = codecs.getincrementalencoder(encoding)()
    if started:
        made.encode("\n")
    return made.encode


def _slices(pieces: Iterable[bytes], ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    """Yield these ranges of bytes, which are in order and do not overlap. Raises BadSourceError at an early end."""
    kept, at, stream = b"", 0, iter(pieces)
    for start, end in ranges:
        while at + len(kept) < end:
            kept, at = (kept, at) if at + len(kept) > start else (b"", at + len(kept))
            piece = next(stream, None)
            if piece is None:
                raise BadSourceError(f"the source ends before byte {end:,}", offset=at)
            kept += piece
        yield kept[start - at : end - at]
        kept, at = kept[end - at :], end


def _positions(batch: Batch) -> Iterator[RecordPosition]:
    yield from (batch.position(number) for number in range(len(batch.rows)))
    yield from (reject.position for reject in batch.rejects)


def _rows(batch: Batch) -> Iterator[tuple[RecordPosition, object]]:
    return ((batch.position(number), row) for number, row in enumerate(batch.rows))


def _cells(row: object) -> list[str]:
    assert isinstance(row, Sequence)  # noqa: S101  # for mypy: a sheet has rows of cells
    return ["" if cell is None else str(cell) for cell in row]


def _as_csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
