"""The decoded bytes of one span, and no others."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing

from penstock.errors import NotEnoughTimeError, TruncatedSourceError
from penstock.index.file import read_window
from penstock.index.gzip import enter
from penstock.limits import Budget
from penstock.model import Source
from penstock.ports import Deadline, ObjectStore, WorkFiles
from penstock.spans import Span

GZIP = "gzip"


def span_bytes(
    objects: ObjectStore,
    files: WorkFiles,
    source: Source,
    span: Span,
    *,
    codec: str,
    budget: Budget,
    deadline: Deadline,
    margin: float,
) -> Generator[bytes, None, None]:
    """The decoded bytes of a span, in pieces of at most ``budget.step``.

    Raises TruncatedSourceError where the source has fewer, NotEnoughTimeError when only ``margin`` seconds are left,
    and what decoding raises. Memory: as `penstock.pipeline`.
    """
    window = read_window(files.read_part(span.window)) if span.window else b""
    content = objects.open_source(source, start=span.entry.encoded, end=span.encoded_end)
    skip, left = span.start - span.entry.decoded, span.size
    with closing(content.chunks()) as chunks:
        pieces = enter(chunks, span.entry, window, budget.step) if codec == GZIP else _stepped(chunks, budget.step)
        while left:
            piece = next(pieces, None)
            if piece is None:
                raise TruncatedSourceError(
                    f"span {span.number} ends {left:,} bytes early: the index does not fit the source",
                    offset=span.encoded_end,
                )
            if deadline.remaining() <= margin:
                raise NotEnoughTimeError(f"{source.uri}: span {span.number}: {left:,} of {span.size:,} bytes are left")
            if skip:
                skipped = min(skip, len(piece))
                piece, skip = piece[skipped:], skip - skipped
            if piece:
                piece = piece[:left]
                left -= len(piece)
                yield piece


def _stepped(chunks: Iterable[bytes], step: int) -> Generator[bytes, None, None]:
    for chunk in chunks:
        for start in range(0, len(chunk), step):
            yield chunk[start : start + step]
