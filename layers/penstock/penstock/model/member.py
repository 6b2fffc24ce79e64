"""A source may hold several files: the members of an archive, or the sheets of a workbook.

Every source has one member today. The decoded bytes of a source pass from its codec to its parser by member, so that
an archive only needs a codec that declares `Members`.

A job of a source with many members will have child jobs, one for each member (`ChildJobs`). A child job has its own
record, spans and result. Its source is that of its parent, and its id is a digest of the parent's id and the member's
name. The parent ends when all of its children have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from penstock.model.job import Job


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a source. ``name`` is empty if the source itself is the file. ``number`` counts from 1.

    ``size``: decoded bytes, if the source declares them before the content.
    """

    name: str = ""
    number: int = 1
    size: int | None = None


Members = Callable[[Iterator[bytes]], Iterator[tuple[Member, Iterator[bytes]]]]
"""Splits the decoded bytes of a source into its members, in order. Each is read to its end before the next."""

WHOLE_SOURCE = Member()


def one_member(chunks: Iterator[bytes]) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Yield the source as its only member."""
    yield WHOLE_SOURCE, chunks


class ChildJobs(Protocol):
    """Creates and follows the jobs of a source's members. Not implemented yet."""

    def create(self, parent: Job, member: Member) -> Job:
        """Create the job of a member, or return the existing one."""

    def unfinished(self, parent: Job) -> int:
        """Count the child jobs that have not ended."""
