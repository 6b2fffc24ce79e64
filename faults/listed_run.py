"""A run whose objects come both by events and by a backfill, in any order, some more than once (docs/adr/0024).

Some objects are uploaded again: before any message is delivered, between two, or at a request of a function. The newer
upload has other bytes, or the same. Some of the first events never come, as of objects that are older than the
notification of their bucket.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from threading import Lock
from typing import ClassVar

from faults.commits import RECEIVES
from faults.listed_outcome import Upload, elder, listed_problems
from faults.run import Run, nothing
from penstock.backfill.model import FoundObject
from penstock.backfill.sending import RECORDS
from penstock.jobs.events import notification
from penstock.model.object import Source

# Shares of runs with a newer upload, of those with the same bytes, of first events that never come, and of messages
# that come twice.
NEWER, SAME, UNHEARD, TWICE = 0.7, 0.25, 0.2, 0.3
# A newer upload comes at one of so many first requests.
REQUESTS = 60
# Messages in a batch, at most, and seconds between two batches.
BATCH, SECONDS = 6, 1_000.0


@dataclass
class ListedRun(Run):
    """One such run. ``uploads`` are all uploads, ``messages`` all messages so far."""

    uploads: list[Upload] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    harmless_states: ClassVar[Collection[str]] = ("superseded",)
    _plans: Random = field(init=False)
    _again: Sequence[str] = field(init=False, default=())
    _same: bool = field(init=False, default=False)
    # How many requests come before the newer uploads; None if no request waits for them.
    _requests: int | None = field(init=False, default=None)
    _lock: Lock = field(init=False, default_factory=Lock)
    _is_delivered: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._plans = self.schedule.rng("listing")

    def upload_all(self) -> list[Source]:
        """Make the first uploads of all files; those that are to be uploaded again have an older content."""
        names, plans = list(self.kind.files()), self._plans
        if plans.random() < NEWER:
            self._again = [name for name in names if len(names) == 1 or plans.random() < 1 / 3]
        self._same = plans.random() < SAME
        older = set() if self._same else set(self._again)
        self._upload({name: name in older for name in names}, first=True)
        return [upload.source for upload in self.uploads]

    def _upload(self, older_by_name: dict[str, bool], *, first: bool) -> list[str]:
        """Upload files; return the messages of their events and of a listing that finds them."""
        found, plans = [], self._plans
        for name, older in older_by_name.items():
            data = self.kind.files()[name]
            source = self.upload(name, elder(data) if older else data)
            when = datetime.fromtimestamp(time.time() + self.clock_offset, UTC).isoformat()
            sequencer = f"0066F5D1B2C3A49D{10 if first else 20}"
            upload = Upload(replace(source, sequencer=sequencer, event_time=when), older, not first and self._same)
            self.uploads.append(upload)
            found.append(upload.source)
        heard = [source for source in found if not first or plans.random() >= UNHEARD]
        # A listing may also be made before the newer uploads only.
        listed = [_listed(source) for source in found] if first or plans.random() < 1 / 2 else []
        messages = [notification(source) for source in heard]
        messages += [notification(*listed[at : at + RECORDS]) for at in range(0, len(listed), RECORDS)]
        messages += [body for body in messages if plans.random() < TWICE]
        plans.shuffle(messages)
        self.messages += messages
        return messages

    def deliver(self) -> None:
        """Deliver all messages; at the first time, make the newer uploads at some point."""
        if self._is_delivered:
            again = list(self.messages)
            self._plans.shuffle(again)
            self._deliver(again)
            return
        self._is_delivered = True
        first = list(self.messages)
        when = self._plans.choice(["before", "between", "at a request"]) if self._again else "never"
        if when == "before":
            first = [*first, *self._upload_again()]
            self._plans.shuffle(first)
        if when == "between":
            cut = self._plans.randint(1, len(first))
            self._deliver(first[:cut])
            first = [*first[cut:], *self._upload_again()]
            self._plans.shuffle(first)
        if when == "at a request":
            self._requests = self._plans.randrange(REQUESTS)
        self._deliver(first)
        if self._requests is not None:
            self._requests = None
            self._upload_again()
        if when == "at a request":
            self._deliver(self.messages[len(first) :])

    def _upload_again(self) -> list[str]:
        return self._upload(dict.fromkeys(self._again, False), first=False)

    def interference(self, verb: str) -> Callable[[str], None]:  # noqa: ARG002  # every function may be interrupted
        return self._overwrite if self._requests is not None else nothing

    def _overwrite(self, request: str) -> None:  # noqa: ARG002  # whatever it is
        """Make the newer uploads when enough requests were sent, while this one waits.

        For a bucket, also deliver one of their messages: its result may not be replaced by the job that waits. In a
        table, rows of two jobs that run at the same time have no order (docs/adr/0007, 0008).
        """
        with self._lock:
            if self._requests is None:
                return
            self._requests -= 1
            if self._requests >= 0:
                return
            self._requests = None
            messages = self._upload_again()
        if self.kind.store == "bucket":
            self.receive({"newer": messages[0]}, 1)

    def _deliver(self, bodies: Sequence[str]) -> None:
        """Deliver messages in batches. One that comes back is delivered again at some later time."""
        waiting = [(str(number), body, 1) for number, body in enumerate(bodies)]
        while waiting:
            plans = self._plans
            plans.shuffle(waiting)
            receives = waiting[0][2]
            size = plans.randint(1, BATCH if len(self.kind.files()) == 1 else 10 * BATCH)
            batch = [one for one in waiting if one[2] == receives][:size]
            waiting = [one for one in waiting if one not in batch]
            left = self.receive({number: body for number, body, _ in batch}, receives)
            for number, body in left.items():
                if receives == RECEIVES:
                    self.resources.dead_letter(body)
                else:
                    waiting.append((number, body, receives + 1))
            self.clock_offset += SECONDS if left else 1.0

    def is_complete(self) -> bool:
        """Whether no message is left, every job has a final state, no upload is open, and every key has a job."""
        jobs = self.jobs()
        keys = {upload.source.uri for upload in self.uploads}
        return (
            keys <= {job["source"] for job in jobs}
            and all(job["state"] in ("succeeded", "superseded", "failed") for job in jobs)
            and not self.resources.uploads()
            and not self.resources.waiting_messages()
        )

    def check(self, *, success_only: bool = False) -> None:
        self.problems += listed_problems(self.resources, self.kind, self.jobs(), self.uploads, ended=success_only)


def _listed(source: Source) -> Source:
    """Return what a listing finds of an upload."""
    modified = datetime.fromisoformat(source.event_time).timestamp()
    found = FoundObject(source.bucket, source.key, source.size, source.etag, source.version_id, modified)
    return found.source()
