"""Ends multipart uploads that nobody will complete.

An upload is noted with its job right after it was created. What is older than any invocation, was begun by this stack,
and belongs to no unfinished job that names it, is left over: of a function that was killed between the two, of an abort
that has failed, of a job whose record was deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.jobs.ports import OpenJobs, OwnUploads
from penstock.model.source import Deadline
from penstock.model.upload import Unfinished

# The longest invocation, and some: within it an upload need not be on record.
OLD_SECONDS = 20 * 60.0
# Requests are small, but there may be thousands.
EVERY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class UploadSweep:
    """Sweeps the destination bucket. ``clock`` gives Unix seconds."""

    open_jobs: OpenJobs
    uploads: OwnUploads
    clock: Callable[[], float]
    margin: float = 10.0

    def __call__(self, deadline: Deadline, since: float) -> int:
        """How many uploads it has ended. What the time does not reach is left to the next sweep.

        Before ``since``, when the first sweep was made, an earlier Penstock may have begun uploads without a note: they
        are left to the bucket's lifecycle rule.
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
        if owner is None:
            return self.clock() - upload.age >= since
        return owner.state.final or upload.id not in owner.uploads
