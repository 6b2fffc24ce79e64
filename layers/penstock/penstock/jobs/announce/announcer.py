"""Announces the jobs that a batch of writes to the jobs table has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.errors import PenstockError
from penstock.jobs.announce.announcement import announcement_of
from penstock.jobs.announce.ports import Channel
from penstock.model.announcement import Announcement
from penstock.model.job_change import JobChange
from penstock.model.job_status import JobState, JobStatus

# What one environment remembers to have sent: some batches.
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Announced:
    """How many jobs were announced, and the errors of those that were not, by the number of their write."""

    sent: int
    failed: Mapping[str, PenstockError]


@dataclass(frozen=True, slots=True)
class Announcer:
    """``channels`` take the announcements; ``with_spans`` adds what the spans of an execution delivered. ``stack`` is
    the name of the stack.

    A batch is retried from its first failed write on. What a channel has taken is not sent to it again, as long as the
    same environment gets the retry.
    """

    channels: Sequence[Channel]
    with_spans: Callable[[JobStatus], JobStatus]
    stack: str = ""
    _taken: dict[tuple[int, str], None] = field(default_factory=dict)

    def __call__(self, changes: Sequence[JobChange]) -> Announced:
        """Announce the jobs that ended. A large member of an archive is part of what its archive's job says.

        Raises the first error if nothing can be announced: then the function fails, and its alarm tells.
        """
        failed = {change.number: change.problem for change in changes if change.problem}
        ended = {
            change.number: status
            for change in changes
            if (status := change.ended) is not None and not status.archive_job
        }
        pending: dict[str, Announcement] = {}
        for number, status in ended.items():
            try:
                pending[number] = announcement_of(self._complete(status), self.stack)
            except PenstockError as error:
                failed[number] = error
        for place, channel in enumerate(self.channels):
            failed |= self._send(place, channel, pending)
        sent = len(pending.keys() - failed.keys())
        if failed and not sent:
            raise next(iter(failed.values()))
        return Announced(sent, failed)

    def _complete(self, status: JobStatus) -> JobStatus:
        """Add what the spans delivered. A job that has succeeded has all of it on its record."""
        return status if status.state is JobState.SUCCEEDED else self.with_spans(status)

    def _send(self, place: int, channel: Channel, pending: Mapping[str, Announcement]) -> Mapping[str, PenstockError]:
        """Return the errors of what a channel did not take."""
        numbers = [number for number in pending if (place, number) not in self._taken]
        if not numbers:
            return {}
        refused = channel.send([pending[number] for number in numbers])
        self._taken.update({(place, number): None for at, number in enumerate(numbers) if at not in refused})
        for oldest in list(self._taken)[: max(0, len(self._taken) - REMEMBERED)]:
            del self._taken[oldest]
        return {numbers[at]: error for at, error in refused.items()}
