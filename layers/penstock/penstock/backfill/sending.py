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
from penstock.limits import SMALL_OBJECT
from penstock.model.job import Job
from penstock.model.job_status import JobState, JobStatus

# Objects whose records are read together: DynamoDB returns at most as many items in a request.
CHECKED_TOGETHER = 100
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
# The bytes are less than the 256 KiB that SQS took before it took 1 MiB. A record has 4 KB at most.
MESSAGES, BATCH_BYTES = 10, 200_000
# Small objects share a message: their jobs share an invocation and, in PostgreSQL, a transaction. 200 of them took a
# third of the time. A larger object has a message of its own, so that the others do not wait for it.
RECORDS = 10

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
                for batch, bodies in _batches(self._checked(group), max(1, int(self.rate))):
                    self._send(batch, bodies, state)
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

    def _send(self, batch: Sequence[_Checked], bodies: Sequence[str], state: BackfillState) -> None:
        if bodies:
            self._wait(sum(map(_is_sent, batch)), state.backlog)
            self.queue.send_all(bodies)
        for found, job, status in batch:
            _count(state.counts, found, job, status)
        state.position = batch[-1][0].position
        self.observer.advance(state.counts)
        if self.clock() >= self._next_save:
            self.save(state)
            self._next_save = self.clock() + SAVE_SECONDS

    def _wait(self, objects: int, backlog: int) -> None:
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
        self._next_send = max(self._next_send, self.clock()) + objects / self.rate


def _batches(checked: Sequence[_Checked], most: int) -> Iterator[tuple[list[_Checked], list[str]]]:
    """Cut into pieces, in order, each with its messages: so many as SQS takes at once, and at most ``most`` objects."""
    piece: list[_Checked] = []
    bodies: list[str] = []
    for sharing in _sharing(checked, min(most, RECORDS)):
        sources = [job.source for _, job, status in sharing if isinstance(job, Job) and status is None]
        body = [notification(*sources)] if sources else []
        is_full = len(bodies) + len(body) > MESSAGES or sum(map(len, bodies + body)) > BATCH_BYTES
        if is_full or sum(map(_is_sent, piece + sharing)) > most:
            yield piece, bodies
            piece, bodies = [], []
        piece += sharing
        bodies += body
    yield piece, bodies


def _sharing(checked: Sequence[_Checked], most: int) -> Iterator[list[_Checked]]:
    """Cut into pieces, in order, whose objects share a message, at most ``most`` of them."""
    piece: list[_Checked] = []
    for one in checked:
        alone = _is_sent(one) and _size(one) > SMALL_OBJECT
        if piece and (alone or sum(map(_is_sent, piece)) == most):
            yield piece
            piece = []
        piece.append(one)
        if alone:
            yield piece
            piece = []
    if piece:
        yield piece


def _is_sent(one: _Checked) -> bool:
    return isinstance(one[1], Job) and one[2] is None


def _size(one: _Checked) -> int:
    return one[0].size if isinstance(one[0], FoundObject) else 0


def _count(counts: BackfillCounts, found: FoundObject | Missing, job: Job | Skip, status: JobStatus | None) -> None:
    if isinstance(job, Skip):
        counts.skip(job, found.storage_class if isinstance(found, FoundObject) else "")
    elif status is None:
        counts.sent += 1
    elif status.state is JobState.FAILED:
        counts.failed += 1
    else:
        counts.done += 1
