"""Finds the job of the current version of an object, and waits for it if it does not exist yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from penstock.errors import UnknownJobError
from penstock.jobs.ports import JobStore
from penstock.model.job_status import JobStatus
from penstock.model.object import ObjectHead, Source
from penstock.operations.ports import JobTimes
from penstock.operations.watching import LAG, read_jobs

# An event takes one or two seconds from S3 to its job, unless the queue is full.
WAIT_SECONDS = 60.0

# The version id of an object that was written without versioning: empty in events, "null" in S3.
UNVERSIONED = ("", "null")


def source_of(bucket: str, key: str, head: ObjectHead) -> Source:
    """Return the version of an object that HEAD returned."""
    return Source(bucket, key, head.size, head.etag, head.version_id)


@dataclass
class JobWaiter:
    """Finds the newest job of one version of a source, never that of another version."""

    jobs: JobStore
    times: JobTimes
    source: Source
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    _others: set[str] = field(default_factory=set)

    def __call__(self, *, interval: float, on_wait: Callable[[], None], patience: float = WAIT_SECONDS) -> JobStatus:
        """Return the job. If it does not exist yet, call ``on_wait`` once, and wait.

        Raises UnknownJobError if no job appears within ``patience`` seconds.
        """
        until = self.clock() + patience
        # A job that ended earlier is not in the index's last minute: finding it costs one scan of the table.
        found = self._recent() or self._newest(self.jobs.search(source=self.source.uri))
        if found is None:
            on_wait()
        while found is None:
            if self.clock() >= until:
                raise UnknownJobError(
                    f"no job of {self.source.uri} appeared within {patience:.0f} seconds, {_version(self.source)}",
                    hint="`penstock explain` shows whether a route matches, `penstock status` shows earlier jobs.",
                )
            self.sleep(interval)
            found = self._recent()
        return found

    def _recent(self) -> JobStatus | None:
        """Search the jobs that are unfinished, or ended in the last minute."""
        ids = {*self.times.unfinished(), *self.times.ended_since(self.now() - LAG)} - self._others
        self._others |= ids
        return self._newest(read_jobs(self.jobs, ids))

    def _newest(self, found: Iterable[JobStatus]) -> JobStatus | None:
        matching = [status for status in found if _is_of(status, self.source)]
        return max(matching, key=lambda status: (status.started_at, status.job_id), default=None)


def _is_of(status: JobStatus, source: Source) -> bool:
    known = status.upload
    if known is None or status.source != source.uri:
        return False
    if known.version_id in UNVERSIONED or source.version_id in UNVERSIONED:
        same_kind = (known.version_id in UNVERSIONED) == (source.version_id in UNVERSIONED)
        return same_kind and known.etag == source.etag
    return known.version_id == source.version_id


def _version(source: Source) -> str:
    return f"version {source.version_id}" if source.version_id not in UNVERSIONED else f"ETag {source.etag}"
