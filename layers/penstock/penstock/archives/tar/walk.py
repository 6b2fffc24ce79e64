"""A tar archive in order, from its decoded bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from penstock.archives.archive import Skipped
from penstock.archives.tar.entries import read_entries
from penstock.codecs.feed import Feed
from penstock.codecs.trace import Trace
from penstock.errors import TruncatedSourceError
from penstock.model.member import Member


def walk(chunks: Iterator[bytes]) -> Iterator[tuple[Member | Skipped, Iterator[bytes]]]:
    """Yield the entries in order, each with its bytes (see `penstock.archives.archive.Walk`).

    Memory: one chunk, and what `read_entries` states. Offsets of errors count decoded bytes. Raises the errors of
    `read_entries`; TruncatedSourceError also if the archive ends inside a member.
    """
    feed = Feed(chunks, Trace())
    for entry in read_entries(feed):
        if isinstance(entry, Skipped):
            yield entry, iter(())
        else:
            yield replace(entry, content=None), _content(feed, entry)


def _content(feed: Feed, member: Member) -> Iterator[bytes]:
    end = member.content.end if member.content else 0
    while feed.position < end:
        piece = feed.take(end - feed.position)
        if not piece:
            raise TruncatedSourceError(f"the archive ends inside the content of {member.name!r}", offset=feed.position)
        yield piece
