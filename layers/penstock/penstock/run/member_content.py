"""The decoded bytes of a member of an archive that is entered, for the deliveries."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from penstock.archives import Archive
from penstock.codecs import Trace
from penstock.errors import CorruptSourceError, ExpansionLimitError
from penstock.limits import Budget
from penstock.model.member import Member
from penstock.model.source import RangeReader
from penstock.run.loads import UNKNOWN


@dataclass(frozen=True, slots=True)
class EnteredMember:
    """A member that is read by its range. Implements ``ByteSource``; can be read repeatedly.

    Raises ExpansionLimitError if the archive declares more than ``most`` bytes, and the errors of the archive's format.
    """

    archive: Archive
    ranges: RangeReader
    member: Member
    most: int
    budget: Budget

    @property
    def size(self) -> int:
        return UNKNOWN if self.member.size is None else self.member.size

    def chunks(self) -> Generator[bytes, None, None]:
        if self.size > self.most:
            raise ExpansionLimitError(
                f"member {self.member.name!r} decodes to {self.size:,} bytes; the limit for its encoded size is "
                f"{self.most:,}"
            )
        assert self.archive.locate  # noqa: S101  # for mypy: the archive lists entries
        assert self.archive.method  # noqa: S101  # as above
        content = self.archive.locate(self.ranges, self.member).content
        if content is None:
            raise CorruptSourceError(f"member {self.member.name!r} has no content", offset=0)
        codec = self.archive.method(content, self.budget.window, b"")
        encoded = self.ranges.read(content.start, content.end) if content.end > content.start else _nothing()
        with closing(encoded):
            yield from codec.decode(encoded, Trace(), self.budget.step)


def _nothing() -> Generator[bytes, None, None]:
    yield from ()
