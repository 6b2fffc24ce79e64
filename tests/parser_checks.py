"""Checks for every parser: batches follow each other without a gap, and parsing can start at every boundary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from penstock.formats import parse
from penstock.model.load import Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch, Reject

CHUNKS = (1, 7, 65536)
BATCHES = (1, 16, 100, 65536)


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def parsed(
    data: bytes, options: ParseOptions, *, chunk: int = 7, batch_bytes: int = 100, resume: Resume | None = None
) -> list[Batch]:
    """All batches, after checking that each is consistent in itself and with the previous batch."""
    batches = list(parse(chunked(data, chunk), options, batch_bytes=batch_bytes, resume=resume or Resume()))
    for batch in batches:
        check(batch, len(data))
    assert len(batches) == 1 or all(batch.count for batch in batches)
    for one, other in pairwise(batches):
        assert other.first_row == one.first_row + one.count
        assert other.names == one.names
        assert other.offset >= one.end or other.end == 0
    return batches


def check(batch: Batch, size: int) -> None:
    assert batch.count == len(batch.rows) + len(batch.rejects)
    assert batch.count or (batch.names and (batch.first_row == 1 or batch.sheet))
    assert 0 <= batch.offset <= batch.end <= size
    accepted = [batch.position(index) for index in range(len(batch.rows))]
    rejected = [reject.position for reject in batch.rejects]
    for positions in (accepted, rejected):
        assert [position.row for position in positions] == sorted(position.row for position in positions)
    all_positions = sorted(accepted + rejected, key=lambda position: position.row)
    assert [position.row for position in all_positions] == list(range(batch.first_row, batch.first_row + batch.count))
    if batch.end and not batch.sheet:  # the offsets of sheets are their numbers
        offsets = [position.offset for position in all_positions]
        # A source with a schema has blocks of records, which have the offset of their block.
        assert all(one < other or batch.schema for one, other in pairwise(offsets))
        assert offsets == sorted(offsets)
        assert offsets[-1] < batch.end
        assert offsets[0] >= batch.offset


@dataclass(frozen=True)
class ComparableBatch:
    """A batch in a form that can be compared."""

    first_row: int
    offset: int
    end: int
    names: tuple[str, ...]
    rows: list[object]
    rejects: tuple[Reject, ...]


def comparable(batches: Iterable[Batch]) -> list[ComparableBatch]:
    return [ComparableBatch(b.first_row, b.offset, b.end, b.names, list(b.rows), b.rejects) for b in batches]


def rows_of(batches: Sequence[Batch]) -> list[object]:
    return [row for batch in batches for row in batch.rows]


def rejects_of(batches: Sequence[Batch]) -> list[tuple[int, str]]:
    return [(reject.position.row, reject.reason) for batch in batches for reject in batch.rejects]


def assert_chunks_do_not_matter(data: bytes, options: ParseOptions, batch_bytes: int) -> list[Batch]:
    in_one_chunk = parsed(data, options, chunk=max(1, len(data)), batch_bytes=batch_bytes)
    for chunk in CHUNKS:
        assert comparable(parsed(data, options, chunk=chunk, batch_bytes=batch_bytes)) == comparable(in_one_chunk)
    return in_one_chunk


def assert_every_boundary_can_be_entered(data: bytes, options: ParseOptions, batch_bytes: int) -> None:
    batches = parsed(data, options, batch_bytes=batch_bytes)
    for number, batch in enumerate(batches, 1):
        resume = Resume(chunk=number, offset=batch.end, row=batch.first_row + batch.count)
        tail = parsed(data, options, batch_bytes=batch_bytes, resume=resume)
        assert comparable(tail) == comparable(batches[number:])
