"""The methods of zip members, each as a codec that holds its content to the size and the CRC32 of the directory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

from penstock.archives.zip import deflate64, lzma1
from penstock.archives.zip.decryption import encryption_of
from penstock.codecs import bzip2, identity
from penstock.codecs.checkpoint import Checkpoint, Note
from penstock.codecs.checksum import crc32
from penstock.codecs.codec import Codec, Indexer, TailIndex
from penstock.codecs.engine import FASTEST
from penstock.codecs.feed import Feed
from penstock.codecs.gzip import codec as gzip
from penstock.codecs.gzip.decode import inflate
from penstock.codecs.trace import Trace
from penstock.codecs.xz import codec as xz
from penstock.codecs.zstd import codec as zstd
from penstock.errors import (
    BadHeaderError,
    BadSourceError,
    ChecksumMismatchError,
    CorruptSourceError,
)
from penstock.model.member import STORED, MemberContent
from penstock.model.source import RangeReader


def method(content: MemberContent, window: int, password: bytes) -> Codec:
    """Return the codec of a located content. ``window``: the maximum window or dictionary in bytes.

    Its ``decode`` raises CorruptSourceError as soon as there are more bytes than the directory declares, without
    yielding them, and at the end ChecksumMismatchError, or CorruptSourceError if bytes are missing or left over.
    Pieces are yielded before that, so a result is complete only when ``decode`` ends. Offsets of errors count from the
    start of the archive; ``trace`` counts from that of the content.

    Its indexer does the same while it scans. The offsets of an indexer count from the start of the content, and bytes
    that it skips unread have no CRC32.

    ``decode`` of an encrypted content first raises WrongPasswordError, if the check of the cipher shows it. A wrong
    password that passes it, as one in many does, ends with another BadSourceError.

    Raises EncryptedMemberError without a password, and BadHeaderError for an unknown method or cipher.
    """
    encryption = encryption_of(content, password)
    if content.method not in _METHODS:
        raise BadHeaderError(
            f"the member is compressed with {content.method}, which is not supported",
            offset=content.start,
            hint=f"Compress it with Deflate. Supported are {', '.join(_METHODS)}.",
        )
    codec = _METHODS[content.method](content, window)
    decode = partial(_decode_checked, codec.decode, encryption.inside if encryption else content)
    indexer = partial(_checked_indexer, codec.indexer, content) if codec.indexer else None
    if encryption:
        decode, indexer = partial(encryption.decode, decode), None
    return replace(codec, name=content.method, magic=(), suffixes=(), decode=decode, indexer=indexer)


def _decode_checked(
    decode: Callable[[Iterable[bytes], Trace, int], Iterator[bytes]],
    content: MemberContent,
    chunks: Iterable[bytes],
    trace: Trace,
    step: int,
) -> Iterator[bytes]:
    produced = crc = 0
    try:
        # Some writers deflate nothing to no bytes at all.
        for piece in decode(chunks, trace, step) if content.start < content.end else ():
            produced += len(piece)
            _check_most(content, trace.consumed, produced)
            crc = crc32(piece, crc)
            yield piece
        _check_whole(content, trace.consumed, produced, crc)
    except BadSourceError as error:
        error.offset += content.start
        raise
    trace.crc32 = content.crc32


def _checked_indexer(load: Callable[[], Indexer], content: MemberContent) -> Indexer:
    found = load()
    tail = partial(_tail_checked, found.tail, content) if found.tail else None
    return replace(found, scan=partial(_scan_checked, found, content), tail=tail)


def _tail_checked(
    tail: Callable[[RangeReader, int], TailIndex], member: MemberContent, reader: RangeReader, spacing: int
) -> TailIndex:
    found = tail(reader, spacing)
    if len(found.entries) > 1:
        _check_whole(member, reader.size, found.total, None)
    return found


def _scan_checked(
    indexer: Indexer,
    member: MemberContent,
    chunks: Iterable[bytes],
    trace: Trace,
    step: int,
    *,
    spacing: int,
    note: Note,
    checkpoint: Checkpoint | None = None,
    content: bool = True,
) -> Iterator[bytes | memoryview]:
    """The ``crc32`` of a checkpoint is that of the bytes before it; None if some were skipped."""
    crc, at, last = (checkpoint.crc32, checkpoint.entry.decoded, checkpoint) if checkpoint else (0, 0, None)

    def noted(found: Checkpoint) -> None:
        nonlocal last
        last = replace(found, crc32=crc)
        note(last)

    resumed = replace(checkpoint, crc32=None) if checkpoint else None
    for piece in indexer.scan(chunks, trace, step, spacing=spacing, note=noted, checkpoint=resumed, content=content):
        at += len(piece)
        _check_most(member, trace.consumed, trace.produced)
        crc = crc32(piece, crc) if crc is not None and at == trace.produced else None
        yield piece
    if indexer.exact and last and not last.entry.decoded:
        return  # it cannot be split: the scan may have ended early, and decoding checks the member
    _check_whole(member, trace.consumed, trace.produced, crc)
    trace.crc32 = member.crc32


def _check_most(content: MemberContent, consumed: int, produced: int) -> None:
    if content.size is not None and produced > content.size:
        raise CorruptSourceError(f"the member has more than its {content.size:,} bytes", offset=consumed)


def _check_whole(content: MemberContent, consumed: int, produced: int, crc: int | None) -> None:
    """``crc`` is None if it is not known."""
    if consumed < content.end - content.start:
        raise CorruptSourceError(f"{content.method} data ends before the member does", offset=consumed)
    if content.size not in (None, produced):
        raise CorruptSourceError(
            f"the member has {produced:,} bytes, the directory declares {content.size:,}", offset=consumed
        )
    if crc is not None and content.crc32 not in (None, crc):
        raise ChecksumMismatchError(
            f"CRC32 of the member's bytes is {crc:08x}, the directory declares {content.crc32:08x}", offset=consumed
        )


def _inflate(chunks: Iterable[bytes], trace: Trace, step: int) -> Iterator[bytes]:
    return inflate(Feed(chunks, trace), trace, step, FASTEST)


def _deflate_indexer() -> Indexer:
    from penstock.codecs.gzip import raw_index  # noqa: PLC0415  # zlib through ctypes, which only large members need

    return Indexer(raw_index.scan, raw_index.enter, exact=False)


def _lzma(content: MemberContent, window: int) -> Codec:
    return lzma1.describe(window, content.size)


_METHODS: dict[str, Callable[[MemberContent, int], Codec]] = {
    STORED: lambda _, window: identity.describe(window),
    "deflate": lambda _, window: replace(gzip.describe(window), decode=_inflate, indexer=_deflate_indexer),
    "deflate64": lambda content, _: deflate64.describe(content.start),
    "bzip2": lambda _, window: bzip2.describe(window),
    "lzma": _lzma,
    "xz": lambda _, window: xz.describe(window),
    "zstd": lambda _, window: zstd.describe(window),
}
