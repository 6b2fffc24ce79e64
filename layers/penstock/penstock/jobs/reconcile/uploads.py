"""Ends multipart uploads that will never be completed.

An upload is recorded with its job right after it is created. An upload is left over if it is older than any invocation,
was created by this stack, and is not recorded with an unfinished job. Its function was killed before the record, its
abort failed, or the record of its job was deleted. The upload of a Parquet file names its job by its key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.destinations.parquet.file_store import job_of
from penstock.jobs.ports import OpenJobs, OwnUploads
from penstock.model.source import Deadline
from penstock.model.upload import Unfinished

# Longer than the longest invocation: a younger upload need not be recorded yet.
OLD_SECONDS = 20 * 60.0
# Each request is small, but a sweep may send thousands.
EVERY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class UploadSweep:
    """Sweeps the destination bucket. ``clock`` returns Unix seconds."""

    open_jobs: OpenJobs
    uploads: OwnUploads
    clock: Callable[[], float]
    margin: float = 10.0

    def __call__(self, deadline: Deadline, since: float) -> int:
        """End left-over uploads, and return how many. If time runs out, the next sweep ends the rest.

        ``since`` is the time of the first sweep. Before it, an earlier release may have created uploads without a
        record: those are left to the bucket's lifecycle rule.
        """
        ended = 0
        for upload in self.uploads.older_than(OLD_SECONDS):
            if deadline.remaining() < self.margin:
                break
            if self._is_left(upload, since):
                self.uploads.end(upload)
                ended += 1
        return ended

    def _is_left(self, upload: Unfinished, since: float) -> bool:
        owner = self.open_jobs.owner(upload.id)
        if owner is None and (job_id := job_of(upload.target.key)):
            # A span that is recorded as done is completed by the next attempt at it.
            job = self.open_jobs.get(job_id)
            if job and not job.state.final:
                return False
        if owner is None:
            return self.clock() - upload.age >= since
        return owner.state.final or upload.id not in owner.uploads
