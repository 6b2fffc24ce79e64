"""Sends the objects of an origin to the queue, at most so many a second, and no more than the queue can bear.

The position is saved after the messages before it were accepted. After a kill, at most the messages since the last save
are sent again. They belong to the same jobs, so they change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from penstock.backfill.model import BackfillCounts, FoundObject, Missing, Skip
from penstock.backfill.ports import NotificationQueue, Observer, Origin, RecordFinder
from penstock.backfill.selection import Selection
from penstock.backfill.state import BackfillState
from penstock.jobs.events import notification
from penstock.model.job import Job
from penstock.model.job_status import JobState, JobStatus

# Objects whose records are read together: DynamoDB returns at most as many items in a request.
CHECKED_TOGETHER = 100
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
# Ten messages of the longest key (1,024 bytes, three times as long when encoded) have less than the 256 KiB of a batch.
MESSAGES = 10

SAVE_SECONDS = 1.0
LOOK_SECONDS = 1.0
PAUSE_SECONDS = 2.0

_Checked = tuple[FoundObject | Missing, Job | Skip, JobStatus | None]


@dataclass(slots=True)
class Sender:
    """Sends notifications, at most ``rate`` objects a second.

    ``save`` stores the state. It is called about once a second, and at the end, whatever ends it.
    """

    queue: NotificationQueue
    records: RecordFinder
    selection: Selection
    observer: Observer
    save: Callable[[BackfillState], None]
    rate: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _next_send: float = field(default=0.0, init=False)
    _next_save: float = field(default=0.0, init=False)
    _next_look: float = field(default=0.0, init=False)

    def __call__(self, origin: Origin, state: BackfillState) -> BackfillCounts:
        """Send what is left by the state, and return all counts."""
        self._next_send = self._next_save = self.clock()
        try:
            found = iter(origin.objects(state.position))
            while group := list(islice(found, CHECKED_TOGETHER)):
                for batch in _batches(self._checked(group)):
                    self._send(batch, state)
        finally:
            self.save(state)
        return state.counts

    def _checked(self, group: Sequence[FoundObject | Missing]) -> list[_Checked]:
        """Find the jobs of some objects, and what the jobs table knows of them."""
        jobs = [Skip.MISSING if isinstance(found, Missing) else self.selection.job_of(found) for found in group]
        known = iter(self.records.find([job for job in jobs if isinstance(job, Job)]))
        return [
            (found, job, next(known) if isinstance(job, Job) else None) for found, job in zip(group, jobs, strict=True)
        ]

    def _send(self, batch: Sequence[_Checked], state: BackfillState) -> None:
        bodies = [notification(job.source) for _, job, status in batch if isinstance(job, Job) and status is None]
        if bodies:
            self._wait(len(bodies), state.backlog)
            self.queue.send_all(bodies)
        for found, job, status in batch:
            _count(state.counts, found, job, status)
        state.position = batch[-1][0].position
        self.observer.advance(state.counts)
        if self.clock() >= self._next_save:
            self.save(state)
            self._next_save = self.clock() + SAVE_SECONDS

    def _wait(self, messages: int, backlog: int) -> None:
        """Keep to the rate, and wait until the queue is less deep."""
        while self.clock() >= self._next_look:
            self._next_look = self.clock() + LOOK_SECONDS
            if (waiting := self.queue.waiting()) <= backlog:
                break
            self.observer.pause(waiting)
            self.sleep(PAUSE_SECONDS)
        if (early := self._next_send - self.clock()) > 0:
            self.sleep(early)
        # After a pause, the rate is kept from then on: nothing is caught up.
        self._next_send = max(self._next_send, self.clock()) + messages / self.rate


def _batches(checked: Sequence[_Checked]) -> Iterator[list[_Checked]]:
    """Cut into pieces with at most ten messages, in order."""
    batch: list[_Checked] = []
    messages = 0
    for one in checked:
        is_message = isinstance(one[1], Job) and one[2] is None
        if messages + is_message > MESSAGES:
            yield batch
            batch, messages = [], 0
        batch.append(one)
        messages += is_message
    if batch:
        yield batch


def _count(counts: BackfillCounts, found: FoundObject | Missing, job: Job | Skip, status: JobStatus | None) -> None:
    if isinstance(job, Skip):
        counts.skip(job, found.storage_class if isinstance(found, FoundObject) else "")
    elif status is None:
        counts.sent += 1
    elif status.state is JobState.FAILED:
        counts.failed += 1
    else:
        counts.done += 1
