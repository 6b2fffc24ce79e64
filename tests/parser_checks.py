"""What holds for every parser: batches that follow each other without a gap, and can be entered at every boundary."""

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
    """All batches, each consistent in itself and with the one before."""
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
    assert batch.count or (batch.names and batch.first_row == 1)
    assert 0 <= batch.offset <= batch.end <= size
    places = [batch.place(index) for index in range(len(batch.rows))]
    rejected = [reject.place for reject in batch.rejects]
    assert [place.row for place in places] == sorted(place.row for place in places)
    assert [place.row for place in rejected] == sorted(place.row for place in rejected)
    together = sorted(places + rejected, key=lambda place: place.row)
    assert [place.row for place in together] == list(range(batch.first_row, batch.first_row + batch.count))
    if batch.end:
        offsets = [place.offset for place in together]
        assert all(one < other for one, other in pairwise([*offsets, batch.end]))
        assert offsets[0] >= batch.offset


@dataclass(frozen=True)
class Seen:
    """A batch as it compares."""

    first_row: int
    offset: int
    end: int
    names: tuple[str, ...]
    rows: list[object]
    rejects: tuple[Reject, ...]


def seen(batches: Iterable[Batch]) -> list[Seen]:
    return [Seen(b.first_row, b.offset, b.end, b.names, list(b.rows), b.rejects) for b in batches]


def rows_of(batches: Sequence[Batch]) -> list[object]:
    return [row for batch in batches for row in batch.rows]


def rejects_of(batches: Sequence[Batch]) -> list[tuple[int, str]]:
    return [(reject.place.row, reject.reason) for batch in batches for reject in batch.rejects]


def assert_chunks_do_not_matter(data: bytes, options: ParseOptions, batch_bytes: int) -> list[Batch]:
    whole = parsed(data, options, chunk=max(1, len(data)), batch_bytes=batch_bytes)
    for chunk in CHUNKS:
        assert seen(parsed(data, options, chunk=chunk, batch_bytes=batch_bytes)) == seen(whole)
    return whole


def assert_every_boundary_can_be_entered(data: bytes, options: ParseOptions, batch_bytes: int) -> None:
    whole = parsed(data, options, batch_bytes=batch_bytes)
    for number, batch in enumerate(whole, 1):
        resume = Resume(chunk=number, offset=batch.end, row=batch.first_row + batch.count)
        tail = parsed(data, options, batch_bytes=batch_bytes, resume=resume)
        assert seen(tail) == seen(whole[number:])
