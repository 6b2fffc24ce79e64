"""The model of archives: each member is published once and complete, and newer archives replace older ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from penstock.model.job_status import JobState, JobStatus
from simulation.rights import DROPS, RESULTS

if TYPE_CHECKING:
    from simulation.history import History, Uploaded


def of_upload(history: History, one: Uploaded, status: JobStatus, name: str, *, redriven: bool) -> Iterator[str]:
    """Yield what is wrong with the members of one archive."""
    published = {member: _published(history, one, member).count(one.number) for member in one.content.members}
    for member, times in published.items():
        if times > 1 + history.stack.written.count(_key(one, member)):
            yield f"{name}: member {member} was published {times} times"
    if status.state is JobState.SUCCEEDED:
        yield from _of_success(history, one, status, published, name)
    is_readable = (one.source.bucket, one.source.key) not in history.deleted
    if status.state is JobState.FAILED and redriven and is_readable and _is_newest(history, one):
        yield f"{name} has failed although it was redriven without faults: {status.failure}"


def _of_success(
    history: History, one: Uploaded, status: JobStatus, published: Mapping[str, int], name: str
) -> Iterator[str]:
    """A member whose newer version was published first is superseded, and its archive succeeds."""
    missing, counts = [member for member, times in published.items() if not times], status.progress.members
    newer = {member: any(number > one.number for number in _published(history, one, member)) for member in published}
    if lost := [member for member in missing if not newer[member]]:
        yield f"{name} has succeeded, but members were not published: {lost}"
    if counts.delivered + counts.superseded != len(published) or counts.superseded > sum(newer.values()):
        yield f"{name}: {counts} are on record of {len(published)} members, {len(missing)} of which are not published"


def orders(history: History) -> Iterator[str]:
    """Yield members whose older version replaced a newer one, and objects that are no member of any version."""
    for one in history.uploads:
        for member in one.content.members:
            order = [number for number in _published(history, one, member) if number >= 0]
            # What somebody else has overwritten is not known any more: small members have no record of their own.
            if order != sorted(order) and _key(one, member) not in history.stack.written:
                yield f"{one.source.uri}: an older version of member {member} replaced a newer one: {order}"
            if -1 in _published(history, one, member):
                yield f"{one.source.uri}: what was published of member {member} is not its content"


def _published(history: History, one: Uploaded, member: str) -> list[int]:
    """Return the numbers of the uploads whose member was published, in that order; -1 for other content."""
    known = _contents(history, one, member)
    versions = history.stack.s3.versions.get((RESULTS, _key(one, member)), ())
    return [known.get(version.data, -1) for version in versions if version.data is not None and version.metadata]


def _contents(history: History, one: Uploaded, member: str) -> Mapping[bytes | None, int]:
    same = [other for other in history.uploads if other.source.series == one.source.series]
    return {other.content.members[member]: other.number for other in same}


def _is_newest(history: History, one: Uploaded) -> bool:
    return one.source.bucket == DROPS or all(
        other.source.series != one.source.series or other.number <= one.number for other in history.uploads
    )


def _key(one: Uploaded, member: str) -> str:
    return f"{one.source.bucket}/{one.source.key}/{member}"
