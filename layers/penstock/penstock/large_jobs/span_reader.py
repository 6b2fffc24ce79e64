"""Reads the decoded bytes of one span."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

from penstock.codecs import Trace
from penstock.codecs.block_index import passing
from penstock.codecs.index_file import read_window
from penstock.delivery.member_store import MemberObjects
from penstock.errors import CorruptSourceError, NotEnoughTimeError, TruncatedSourceError
from penstock.large_jobs.encoded_source import EncodedSource, encoded_source
from penstock.large_jobs.ports import WorkFiles
from penstock.limits import Budget
from penstock.model.object import Source
from penstock.model.source import Deadline
from penstock.model.span import Span


def span_bytes(
    objects: MemberObjects,
    files: WorkFiles,
    source: Source,
    span: Span,
    *,
    codec: str,
    budget: Budget,
    deadline: Deadline,
    margin: float,
) -> Generator[bytes, None, None]:
    """Yield the decoded bytes of a span, in pieces of at most ``budget.step``.

    Raises TruncatedSourceError if the source has fewer bytes, CorruptSourceError if it has more than all spans, or if
    the entry of the next span is wrong, NotEnoughTimeError if only ``margin`` seconds are left, and the errors of
    decoding. Memory: as `delivery.decoding`.
    """
    encoded = encoded_source(objects, source, codec, budget.window)
    window = read_window(files.read_part(span.window)) if span.window else b""
    skip, left = span.start - span.entry.decoded, span.size
    with encoded.naming(), closing(encoded.read(span.entry.encoded, span.encoded_end)) as chunks:
        pieces = _entered(chunks, span, window, encoded, budget)
        while left:
            piece = next(pieces, None)
            if piece is None:
                raise TruncatedSourceError(
                    f"span {span.number} ends {left:,} bytes early: the index does not match the source",
                    offset=span.encoded_end,
                )
            if deadline.remaining() <= margin:
                raise NotEnoughTimeError(
                    f"{source.uri}: span {span.number}: {left:,} of {span.size:,} bytes are left",
                    hint="Give the functions more memory (CPU grows with it), or decrease SpanBytes.",
                )
            if skip:
                skipped = min(skip, len(piece))
                piece, skip = piece[skipped:], skip - skipped
            if piece:
                piece = piece[:left]
                left -= len(piece)
                yield piece
        if span.following is None and next(pieces, None) is not None:
            raise CorruptSourceError(
                "the content continues after the end that the index records", offset=span.encoded_end
            )


def _entered(
    chunks: Iterable[bytes], span: Span, window: bytes, encoded: EncodedSource, budget: Budget
) -> Iterator[bytes]:
    way, trace = encoded.indexer, Trace()
    if way is None:
        return _stepped(chunks, budget.step)
    pieces = way.enter(chunks, span.entry, window, budget.step, trace=trace)
    return passing(pieces, trace, span.following) if way.exact and span.following else pieces


def _stepped(chunks: Iterable[bytes], step: int) -> Generator[bytes, None, None]:
    for chunk in chunks:
        for start in range(0, len(chunk), step):
            yield chunk[start : start + step]
