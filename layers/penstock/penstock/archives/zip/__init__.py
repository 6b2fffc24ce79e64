"""zip (PKWARE's APPNOTE.TXT 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT), entered by ranges.

The directory at the end decides; the header in front of a member only confirms it. What they do not agree on, and what
readers of zip understand in different ways, is refused:

- an archive whose end cannot be read, that is part of a set, or whose numbers disagree, is refused;
- so is one with entries that overlap, or with two members of one name, before its first entry is yielded;
- a member whose own header differs from the directory is refused alone (`locate`), and so is one that is encrypted, of
  an unknown method, or not of the size and CRC32 that the directory declares (`method`);
- an entry that is no file, or whose name is unsafe by the rule of `penstock.archives.names`, is skipped and listed. A
  backslash separates segments if the entry was made on DOS or Windows; anywhere else it is unsafe.
"""

from __future__ import annotations

from collections.abc import Iterator

from penstock.archives.archive import Archive, Skipped
from penstock.codecs import Codec
from penstock.model.member import Member, MemberContent
from penstock.model.source import RangeReader

# A member, the end of an archive without members, and the mark before an archive that fits one volume after all.
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x30\x30PK\x03\x04")

# What documents that are zips put first: Office Open XML, and ODF and EPUB.
_DOCUMENTS = (b"[Content_Types].xml", b"mimetypeapplication/")
_NAME = 30


def recognise(head: bytes) -> bool:
    """Return whether a source begins as a zip does, and is no document of an office program."""
    return head.startswith(_MAGIC) and not head[_NAME:].startswith(_DOCUMENTS)


# Few functions meet a zip, so none loads more than this module before it does.


def entries(reader: RangeReader) -> Iterator[Member | Skipped]:
    """See `zip.directory.entries`."""
    from penstock.archives.zip import directory  # noqa: PLC0415

    return directory.entries(reader)


def locate(reader: RangeReader, member: Member) -> Member:
    """See `zip.local.locate`."""
    from penstock.archives.zip import local  # noqa: PLC0415

    return local.locate(reader, member)


def method(content: MemberContent, window: int, password: bytes) -> Codec:
    """See `zip.methods.method`."""
    from penstock.archives.zip import methods  # noqa: PLC0415

    return methods.method(content, window, password)


ZIP = Archive("zip", (".zip",), recognise, entries, locate, method, is_found_by_its_end=True)
