"""Two members of an archive must not have the same destination: the order of their delivery would decide."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from hashlib import blake2b

from penstock.errors import InvalidRouteError
from penstock.model.job import Job
from penstock.model.member import Member
from penstock.model.table import Mode
from penstock.tables import tables_of

_FIRST = 1024


class TextSet:
    """A set of texts, each as 64 bits of its digest. Memory: 16 to 32 bytes for each text.

    Among a million texts, two different ones have the same bits with a probability of 1 in 37 million.
    """

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _FIRST))
        self._count = 0

    def add(self, text: str) -> bool:
        """Add a text. Returns False if it may have been added before."""
        if 2 * self._count >= len(self._slots):
            self._grow()
        found = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") or 1
        slot = self._slot_of(found)
        is_new = not self._slots[slot]
        self._slots[slot] = found
        self._count += is_new
        return is_new

    def _slot_of(self, found: int) -> int:
        slot = found % len(self._slots)
        while self._slots[slot] not in (0, found):
            slot = (slot + 1) % len(self._slots)
        return slot

    def _grow(self) -> None:
        before, self._slots = self._slots, array("Q", bytes(16 * len(self._slots)))
        for found in before:
            if found:
                self._slots[self._slot_of(found)] = found


class MemberTargets:
    """The destinations of an archive's members so far. Memory: that of `TextSet`, and the tables of the routes.

    ``jobs`` yields the members' jobs, again for each call.
    """

    def __init__(self, archive: str, jobs: Callable[[], Iterator[Job]]) -> None:
        self._archive = archive
        self._jobs = jobs
        self._objects = TextSet()
        self._tables: dict[str, bool] = {}

    def add(self, job: Job) -> None:
        """Add the job of the next member.

        Raises InvalidRouteError that names two members with one object, or with a table that one of them replaces and
        the other does not.
        """
        if (target := job.object_target) and not self._objects.add(target.uri):
            _refuse(self._archive, self._jobs, job, target.uri)
        for table, replaces in tables_replaced(job).items():
            if self._tables.setdefault(table, replaces) != replaces:
                _refuse(self._archive, self._jobs, job, table)


def refuse_double_targets(archive: str, jobs: Callable[[], Iterator[Job]]) -> None:
    """Raises the error of `MemberTargets.add` for the members of an archive."""
    targets = MemberTargets(archive, jobs)
    for job in jobs():
        targets.add(job)


def _refuse(archive: str, jobs: Callable[[], Iterator[Job]], second: Job, target: str) -> None:
    """Name the first member with this target. There is none if only the digests of two texts are the same."""
    numbers = _numbers(second)
    first = next((job for job in jobs() if _numbers(job) < numbers and _has(job, target)), None)
    if first:
        members = [job.source.member for job in (first, second) if job.source.member]
        names = " and ".join(repr(member.path) for member in members)
        raise InvalidRouteError(
            f"{archive}: members {names} would both be written to {target}; nothing was delivered",
            hint=double_target_hint(*members, in_table=not second.object_target),
        )


def double_target_hint(first: Member, second: Member, *, in_table: bool) -> str:
    """Return the way out for two members with one destination."""
    if in_table:
        return "Let all members replace the table, or none, or leave some of them out by the patterns of members."
    if first.path == second.path:  # `tar -r` and `tar -u` append a file without removing the older one
        return "The archive has this name twice: make it again with one of them, or leave out both by a pattern."
    return "Use {member} in the route's destination, or leave one of them out by the patterns of members."


def _has(job: Job, target: str) -> bool:
    return job.object_target.uri == target if job.object_target else target in tables_replaced(job)


def tables_replaced(job: Job) -> dict[str, bool]:
    """Return the tables of a job, and whether it replaces each."""
    tables = () if job.object_target else tables_of(job.need_plan())
    return {f"{job.route.store}:{table.name}": table.mode is Mode.REPLACE for table in tables}


def _numbers(job: Job) -> tuple[int, ...]:
    return job.source.member.numbers if job.source.member else ()
