"""The declaration of an archive format: how it is recognised, listed and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from penstock.codecs import Codec
from penstock.model.member import Member, MemberContent
from penstock.model.serialization import OMIT_DEFAULT
from penstock.model.source import RangeReader

# A warning about bytes behind an archive.
TRAILING = "follow the end of the archive: ignored as trailing garbage"

# More members are refused. The table of a directory takes at most 32 bytes for each: 32 MB.
MAX_MEMBERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that is no file, such as a directory or a link, or that the route leaves out; ``reason`` says why.

    The name of a directory ends with ``/``. Without a name (and with number 0) it is a warning about the archive
    itself, such as that bytes follow its end. ``within``: the number of the inner archive that has it, 0 for none.
    """

    name: str
    number: int
    reason: str
    within: int = field(default=0, metadata=OMIT_DEFAULT)

    @property
    def numbers(self) -> tuple[int, ...]:
        """What identifies it in the object, as `Member.numbers` does."""
        return (self.within, self.number) if self.within else (self.number,)

    @property
    def path(self) -> str:
        """Its name in the object."""
        return self.name

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" if self.name else self.reason


Walk = Callable[[Iterator[bytes]], Iterator[tuple[Member | Skipped, Iterator[bytes]]]]
"""Splits the decoded bytes of an archive that is read in order. A `Skipped` has no bytes.

What is left of a member when the next is asked for is skipped. A member's ``content`` is None: it cannot be entered.
"""


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive format.

    ``suffixes``: the suffixes of its names, in lower case. ``recognise(head)`` says whether a source that begins with
    ``head`` (at least 512 bytes, unless the source is shorter) is such an archive.

    ``entries(reader)`` yields every entry in the order of the archive, without reading any content; the content of a
    member may begin later than ``content.start``, at which its header lies. None if entries are only found in order.

    ``locate(reader, member)`` checks the member's own header against its entry, and returns where exactly its encoded
    bytes lie.

    ``method(content, window, password)`` returns the codec of a located content. It decodes its bytes, and verifies
    the size and the checksum that the archive declares.

    ``is_found_by_its_end``: bytes may stand before the archive, so that its start does not show what it is.

    ``walk(chunks)`` splits the decoded bytes of an archive that is read in order (see `Walk`); None if it must be
    entered.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: Callable[[bytes], bool] = field(repr=False)
    entries: Callable[[RangeReader], Iterator[Member | Skipped]] | None = field(default=None, repr=False)
    locate: Callable[[RangeReader, Member], Member] | None = field(default=None, repr=False)
    method: Callable[[MemberContent, int, bytes], Codec] | None = field(default=None, repr=False)
    walk: Walk | None = field(default=None, repr=False)
    is_found_by_its_end: bool = False
