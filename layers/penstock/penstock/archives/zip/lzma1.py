"""LZMA as zip has it (APPNOTE 5.8): a header of nine bytes, and LZMA data with or without an end marker.

Memory: one chunk of the source, a slice of 16 KiB, the dictionary (up to ``window``) and twice a step of output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from lzma import FILTER_LZMA1, FORMAT_RAW, LZMADecompressor, LZMAError

from penstock.codecs.codec import Codec
from penstock.codecs.feed import Feed
from penstock.codecs.trace import Trace
from penstock.codecs.window_limit import check_window
from penstock.errors import BadHeaderError, CorruptSourceError

NAME = "lzma"

_SLICE = 16 * 1024
_PROPERTIES = 5
_LEAST_DICTIONARY = 4096


def decode(chunks: Iterable[bytes], trace: Trace, step: int, *, window: int, size: int | None) -> Iterator[bytes]:
    """Yield the content in pieces of 1 to ``step`` bytes.

    Without an end marker, the end of the input is that of the content: the caller checks its size, which is ``size``.
    Raises BadHeaderError (also for a dictionary larger than ``window``), CorruptSourceError and TruncatedSourceError.
    """
    feed = Feed(chunks, trace)
    decompressor = _start(feed, window, size)
    while not decompressor.eof:
        at = feed.position
        data = feed.take(_SLICE) if decompressor.needs_input else b""
        if not data and decompressor.needs_input:
            return
        try:
            piece = decompressor.decompress(data, step)
        except LZMAError as error:
            raise CorruptSourceError("corrupt LZMA data nearby", offset=at) from error
        if piece:
            trace.produced += len(piece)
            yield piece
    feed.give_back(decompressor.unused_data)


def _start(feed: Feed, window: int, size: int | None) -> LZMADecompressor:
    header = feed.exactly(4, "an LZMA header")
    length = int.from_bytes(header[2:], "little")
    if length != _PROPERTIES:
        raise BadHeaderError(f"LZMA header with {length} bytes of properties, not {_PROPERTIES}", offset=2)
    properties = feed.exactly(_PROPERTIES, "an LZMA header")
    # No match reaches back beyond the start of the content, so a small content needs no large dictionary.
    declared = int.from_bytes(properties[1:], "little")
    dictionary = max(_LEAST_DICTIONARY, declared if size is None else min(declared, size))
    check_window(dictionary, window, "LZMA dictionary", offset=feed.position)
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    filters = [{"id": FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}]
    try:
        return LZMADecompressor(FORMAT_RAW, filters=filters)
    except (LZMAError, ValueError) as error:
        raise BadHeaderError(f"invalid LZMA properties {properties[0]:#04x}", offset=4) from error


def describe(window: int, size: int | None) -> Codec:
    """Describe the codec of a content of ``size`` bytes. ``window``: the maximum accepted dictionary in bytes."""
    return Codec(
        NAME,
        (),
        (),
        partial(decode, window=window, size=size),
        speed=80e6,
        typical_ratio=10,
        worst_ratio=9_000,  # as xz
    )
