"""The ports of actions after jobs: the jobs table, and the objects of source buckets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from penstock.model.after import AfterState
from penstock.model.held_object import CopyRequest, Held, Removal
from penstock.model.job_status import JobStatus
from penstock.model.object import Location


class AfterStore(Protocol):
    """The actions in the jobs table. A write raises LeaseLostError if another invocation acts on the object."""

    def get(self, job_id: str) -> JobStatus | None: ...

    def take(self, status: JobStatus, holder: str, until: float) -> JobStatus | None:
        """Let ``holder`` act until then (Unix seconds), and return the record as it is now.

        Returns None if there is nothing to do, if another invocation acts, or if the job has changed since.
        """

    def note_copy(self, status: JobStatus, copied: Location) -> None:
        """Record the verified copy, before the object is removed."""

    def note_upload(self, status: JobStatus, upload_id: str) -> None:
        """Record the multipart upload of a large copy, before its first part."""

    def finish(self, status: JobStatus, state: AfterState, message: str, location: Location | None = None) -> None:
        """Record the end of the action, and where the object is now, if it was moved."""

    def release(self, status: JobStatus, message: str, due: float) -> None:
        """Stop acting. The reconciler asks again at ``due``."""


class DueActions(Protocol):
    """The jobs that may have an action to be done, by the time when the reconciler must check them."""

    def get(self, job_id: str) -> JobStatus | None: ...

    def due(self, limit: int) -> Sequence[str]:
        """Return the ids of at most ``limit`` jobs that must be checked now."""

    def postpone(self, job_id: str, at: float) -> None:
        """Postpone the next check to ``at``."""

    def forget(self, job_id: str) -> None:
        """Check a job no more."""

    def ask_again(self, status: JobStatus) -> bool:
        """Change the record so that its stream invokes the function `after`. Returns False if someone acts."""

    def give_up(self, status: JobStatus, message: str) -> bool:
        """Record that the action has failed. Returns False if someone acts."""


class SourceObjects(Protocol):
    """The objects of the source buckets. Every method raises the errors of the requests."""

    def head(self, bucket: str, key: str) -> Held | None:
        """Return the current version of an object; None if there is none, or a delete marker."""

    def tags(self, bucket: str, location: Location) -> Mapping[str, str]:
        """Return the tags of a version."""

    def tag(self, bucket: str, location: Location, tags: Mapping[str, str]) -> None:
        """Replace the tags of a version. Raises SourceGoneError if it does not exist."""

    def copy(
        self, copy: CopyRequest, *, keep: Callable[[str], None], time_left: Callable[[], float]
    ) -> Location | None:
        """Copy a version, with everything that S3 keeps about it. Returns None if the target exists and must not.

        ``keep`` is called with the id of each new multipart upload. Raises SourceChangedError, SourceGoneError, and
        NotEnoughTimeError if the time ends before all parts are copied: the next call goes on with the same upload.
        """

    def remove(self, bucket: str, location: Location, *, permanently: bool) -> Removal:
        """Remove a version, if it is the current one.

        In a bucket with versions, a delete marker is put over it, unless it is to be removed ``permanently``. A marker
        that turns out to lie over another version is taken away again.
        """
