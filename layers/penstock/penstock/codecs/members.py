"""Find out what follows a member: another member, padding, garbage, or the end of the source."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.codecs.feed import Feed
from penstock.codecs.trace import Trace
from penstock.errors import BadHeaderError, CorruptSourceError

# A file of a million padded members must not fill memory, or an item of the jobs table, with a million warnings.
MAX_PADDING_WARNINGS = 20

_SLICE = 64 * 1024


def at_member(
    feed: Feed, trace: Trace, name: str, magic: Sequence[bytes], *, padding: int = 0, proven: bool = True
) -> bool:
    """Return whether a member starts here. False means a valid end; ``trace.warnings`` has the ignored bytes.

    Zero bytes between and after members are skipped with a warning, unless they come in multiples of ``padding``.
    (gzip(1) drops a member that follows zeros; Python's gzip reads it. Losing data with only a warning is worse.)
    Anything else after a complete member is garbage. It is ignored with a warning, unread, as gzip(1) and bzip2(1) do.
    If the member is not ``proven`` by a checksum, garbage is an error: it may be the rest of a damaged member.

    A truncated magic, or a magic in which at most a third of the bytes is wrong, counts as a member, so that its
    decoder rejects it: a damaged byte never turns the rest of a source into garbage. gzip(1) does the same for a wrong
    method after 1f 8b.

    All ``magic`` are of equal length. Raises BadHeaderError if the source begins with none of them, and
    CorruptSourceError for garbage after a member that is not proven.
    """
    if _starts_member(feed, magic):
        return True
    if not trace.members:
        if not feed.peek(1):
            return False
        raise BadHeaderError(f"no {name} header", offset=feed.position)
    start = feed.position
    _skip_zeros(feed)
    zeros = feed.position - start
    if zeros and not (padding and zeros % padding == 0) and len(trace.warnings) < MAX_PADDING_WARNINGS:
        trace.warnings.append(f"{zeros:,} zero bytes at byte {start:,} were ignored")
    if not feed.peek(1):
        return False
    if _starts_member(feed, magic):
        return True
    if not proven:
        raise CorruptSourceError(f"neither {name} nor padding follows data without a checksum", offset=feed.position)
    trace.warnings.append(f"the bytes from byte {feed.position:,} are not {name}: ignored as trailing garbage")
    return False


def _starts_member(feed: Feed, magic: Sequence[bytes]) -> bool:
    head = feed.peek(len(magic[0]))
    return head in magic or (bool(head) and any(_resembles(head, each) for each in magic))


def _resembles(head: bytes, magic: bytes) -> bool:
    if len(head) < len(magic):
        return magic.startswith(head)
    return sum(a != b for a, b in zip(head, magic, strict=True)) <= len(magic) // 3


def _skip_zeros(feed: Feed) -> None:
    while piece := feed.take(_SLICE):
        if rest := piece.lstrip(b"\0"):
            feed.give_back(rest)
            return
