"""The entries of a tar archive, in order, from any input that can skip bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from penstock.archives.archive import TRAILING, Skipped
from penstock.archives.names import MAX_NAME, name_refusal, plain_name
from penstock.archives.tar.header import BLOCK, Header, is_header, parse_header
from penstock.archives.tar.pax import SPARSE, read_records, text
from penstock.errors import BadHeaderError, TruncatedSourceError
from penstock.limits import MIB
from penstock.model.member import Member, MemberContent

# A long name, or the extended headers of one member, may take this many bytes.
METADATA = MIB

# An archive ends with at least two blocks of zeros.
END_MARK = 2 * BLOCK

_REGULAR = (b"0", b"\0", b"7")
_SPARSE = b"S"
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", (b"x", b"X"), b"g"
_DIRECTORY = b"5"
# Kinds without content, whatever size they declare, and why they are skipped.
_EMPTY = {
    b"1": "it is a hard link to {link!r}",
    b"2": "it is a symbolic link to {link!r}",
    b"3": "it is a character device",
    b"4": "it is a block device",
    _DIRECTORY: "it is a directory",
    b"6": "it is a FIFO",
}
# The last byte of a GNU sparse header, and of each block that extends it, says whether one more follows.
_EXTENDED, _EXTENDED_AGAIN = 482, 504

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Tape(Protocol):
    """The bytes of an archive, in order. ``position``: offset of the next byte."""

    @property
    def position(self) -> int: ...

    def up_to(self, count: int) -> bytes:
        """Return the next ``count`` bytes; fewer only at the end of the archive."""

    def skip(self, count: int, what: str) -> None:
        """Skip ``count`` bytes. Raises TruncatedSourceError if the archive ends inside ``what``."""


@dataclass(slots=True)
class _Described:
    """A header and what the metadata before it says. ``ahead``: of one member; ``for_all``: of all that follow."""

    ahead: dict[str, str] = field(default_factory=dict)
    for_all: dict[str, str] = field(default_factory=dict)

    def take(self) -> dict[str, str]:
        """Return what holds for the next member. An empty value stands for the header's own."""
        taken = {keyword: value for keyword, value in {**self.for_all, **self.ahead}.items() if value}
        self.ahead = {}
        return taken


def read_entries(tape: Tape) -> Iterator[Member | Skipped]:
    """Yield the entries. After each, the content's rest is skipped, so the caller may have read some of it.

    A warning about the archive itself is a `Skipped` without a name. Memory: one block, and METADATA twice.

    Raises BadHeaderError for a damaged header, and TruncatedSourceError if the archive ends within an entry.
    """
    described = _Described()
    number = 0
    for found in _headers(tape, described):
        if isinstance(found, Skipped):
            yield found
            continue
        number += 1
        entry, end = _entry(found, described.take(), number, tape.position)
        yield entry
        tape.skip(end - tape.position, f"the content of {entry.name!r}")
        tape.up_to(-end % BLOCK)


def _entry(header: Header, said: dict[str, str], number: int, start: int) -> tuple[Member | Skipped, int]:
    """Return an entry whose content begins at ``start``, and where the content ends."""
    name = said.get(f"{SPARSE}name") or said.get("path") or text(header.name)
    end = start if header.kind in _EMPTY else start + _size(header, said, start)
    plain = plain_name(name)
    if reason := _not_a_file(header, said, name) or name_refusal(plain):
        folder = "/" if header.kind == _DIRECTORY and not name.endswith("/") else ""
        return Skipped(name[:MAX_NAME] + folder, number, reason), end
    modified = _modified(header, said)
    content = MemberContent(start, end)
    return Member(plain, number, end - start, content, modified=modified, mode=header.mode), end


def _not_a_file(header: Header, said: dict[str, str], name: str) -> str:
    if header.kind in _EMPTY:
        return _EMPTY[header.kind].format(link=(said.get("linkpath") or text(header.link))[:MAX_NAME])
    if header.kind == _SPARSE or SPARSE in said or f"{SPARSE}name" in said:
        return "it is a sparse file"
    if header.kind not in _REGULAR:
        return f"it is an entry of type {text(header.kind)!r}, which is not a file"
    # Older archives have no type for a directory.
    return "it is a directory" if name.endswith("/") else ""


def _size(header: Header, said: dict[str, str], start: int) -> int:
    size = said.get("size", "")
    if not size:
        return header.size
    if not (size.isascii() and size.isdecimal()) or len(size.lstrip("0")) > len(str(1 << 64)):
        raise BadHeaderError(f"the pax header has no valid size ({size[:20]!r})", offset=start - BLOCK)
    return int(size)


def _modified(header: Header, said: dict[str, str]) -> str:
    """Return the time in whole seconds, empty if there is none that a calendar has."""
    with suppress(ValueError, OverflowError):
        seconds = float(said["mtime"]) // 1 if "mtime" in said else header.modified
        if seconds is not None:
            return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return ""


def _headers(tape: Tape, described: _Described) -> Iterator[Header | Skipped]:
    """Yield the headers of entries. Metadata before one of them goes to ``described``."""
    for found in _blocks(tape):
        if isinstance(found, Skipped):
            _expect_none_ahead(described, tape)
            yield found
            continue
        header = parse_header(found, tape.position - BLOCK)
        if header.kind in _PAX:
            described.ahead |= _records(tape, header)
        elif header.kind == _PAX_GLOBAL:
            described.for_all |= _records(tape, header)
        elif header.kind == _LONG_NAME:
            described.ahead.setdefault("path", _long(tape, header))
        elif header.kind == _LONG_LINK:
            described.ahead.setdefault("linkpath", _long(tape, header))
        else:
            if header.kind == _SPARSE:
                _skip_extensions(tape, found)
            yield header
    _expect_none_ahead(described, tape)


def _expect_none_ahead(described: _Described, tape: Tape) -> None:
    if described.ahead:
        raise TruncatedSourceError(
            "the archive ends before the member that its last header describes", offset=tape.position
        )


def _metadata(tape: Tape, header: Header) -> bytes:
    """Return the content of a header that describes others."""
    offset = tape.position
    if header.size > METADATA:
        raise BadHeaderError(
            f"a header of {header.size:,} bytes exceeds the limit of {METADATA:,}", offset=offset - BLOCK
        )
    data = tape.up_to(header.size)
    if len(data) < header.size:
        raise TruncatedSourceError("the archive ends inside a header", offset=tape.position)
    tape.up_to(-header.size % BLOCK)
    return data


def _records(tape: Tape, header: Header) -> dict[str, str]:
    offset = tape.position
    return read_records(_metadata(tape, header), offset)


def _long(tape: Tape, header: Header) -> str:
    return text(_metadata(tape, header).partition(b"\0")[0])


def _skip_extensions(tape: Tape, block: bytes) -> None:
    more = block[_EXTENDED]
    while more:
        block = tape.up_to(BLOCK)
        if len(block) < BLOCK:
            raise TruncatedSourceError("the archive ends inside the header of a sparse file", offset=tape.position)
        more = block[_EXTENDED_AGAIN]


def _blocks(tape: Tape) -> Iterator[bytes | Skipped]:
    """Yield the blocks at which a header must lie, and warnings about the end of the archive.

    Two blocks of zeros end an archive. GNU tar also accepts that it ends after a whole member, and reads nothing
    behind the end. Members behind it, as in two archives one after the other, are read here: a lost file is worse.
    """
    while True:
        end = tape.position
        zeros, block = _after_zeros(tape)
        at = end + zeros
        if not block:
            if zeros < END_MARK:
                yield _warning(f"the archive ends at byte {at:,} without its end mark; it may be cut off")
            return
        if zeros and is_header(block):
            yield _warning(f"the archive ends at byte {end:,}, but another follows at byte {at:,} and is read as well")
        elif zeros >= END_MARK:
            yield _warning(f"the bytes from byte {at:,} {TRAILING}")
            return
        elif len(block) < BLOCK:
            raise TruncatedSourceError("the archive ends inside a header", offset=tape.position)
        yield block


def _after_zeros(tape: Tape) -> tuple[int, bytes]:
    """Skip blocks of zeros. Return their bytes, and the block that follows; it is short at the end of the archive."""
    zeros = 0
    while (block := tape.up_to(BLOCK)) and not block.strip(b"\0"):
        zeros += len(block)
    return zeros, block


def _warning(text: str) -> Skipped:
    return Skipped("", 0, text)
