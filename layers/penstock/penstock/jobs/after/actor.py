"""Does what a route asks for after a job: tags, moves or deletes the object of its source.

Nothing is done before the end of the job is on record, nor to an object that is not the version that the job was about,
or is no longer the current one. Each step may be repeated, and an invocation may die between any two: the record then
says what is still to be done, and the next one goes on.

A move copies, notes the copy on the record, removes the object, and ends the action on the record. So the object is at
its old place, at both, or at its new place; at both only while the record says that an action is under way, or why
it failed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from functools import partial

from penstock.errors import PermanentError, RetryableError, SourceGoneError, SupersededError
from penstock.jobs.after.ports import AfterStore, SourceObjects
from penstock.limits import S3
from penstock.model.after import AfterAction, AfterKind, AfterLevel, AfterState
from penstock.model.held_object import CopyRequest, Held, Removal
from penstock.model.job import LONGEST_MESSAGE
from penstock.model.job_status import JobStatus
from penstock.model.object import Location, Source

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
MOST_TAGS = 10
STATE_TAG, JOB_TAG = "penstock-state", "penstock-job"
# S3 may be asked again after this time, doubled with each attempt, up to LONGEST_WAIT_SECONDS.
WAIT_SECONDS, LONGEST_WAIT_SECONDS = 60.0, 3600.0


class Found(Enum):
    """What is at the place of an object. OTHER: another version is the current one."""

    CURRENT = auto()
    OTHER = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True)
class Ending:
    """How an action ended; ``location`` is where the object is now, if it was moved."""

    state: AfterState
    message: str = ""
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class AfterActor:
    """Acts on the objects of ended jobs. ``level`` is what the stack allows; ``clock`` returns Unix seconds."""

    store: AfterStore
    objects: SourceObjects
    level: AfterLevel
    clock: Callable[[], float]
    new_holder: Callable[[], str]

    def __call__(self, job_id: str, time_left: Callable[[], float]) -> JobStatus | None:
        """Act on the object of a job, if there is something to do. Return the record as it was before, with the end.

        ``time_left`` returns the seconds left to this invocation. Returns None if there was nothing to do. A failure is
        on the record, not raised; an action that may succeed later is asked for again by the reconciler. Raises the
        errors of the jobs table.
        """
        status = self.store.get(job_id)
        if status is None or status.after is None or not status.state.final:
            return None
        action = status.after.plan.action(status.state)
        if action is None or status.upload is None:
            return None
        taken = self.store.take(status, self.new_holder(), self.clock() + time_left())
        if taken is None or taken.after is None:
            return None
        try:
            ending = self._act(taken, action, time_left)
        except RetryableError as error:
            wait = min(WAIT_SECONDS * 2 ** (taken.after.tries - 1), LONGEST_WAIT_SECONDS)
            self.store.release(taken, _told(error), self.clock() + wait)
            return replace(taken, after=replace(taken.after, state=AfterState.ACTING, message=_told(error)))
        except PermanentError as error:
            ending = Ending(AfterState.FAILED, _told(error))
        self.store.finish(taken, ending.state, ending.message, ending.location)
        return replace(taken, after=replace(taken.after, state=ending.state, message=ending.message))

    def _act(self, status: JobStatus, action: AfterAction, time_left: Callable[[], float]) -> Ending:
        if not self.level.allows(action):
            return Ending(
                AfterState.FAILED,
                f"the stack does not allow {action.text!r}: its AfterActions is {self.level}, "
                f"and {action.level} is needed",
            )
        place = _place(status)
        match action.kind:
            case AfterKind.TAG:
                return self._tag(status, place)
            case AfterKind.MOVE:
                return self._move(status, place, action.prefix, time_left)
            case _:
                return self._delete(status, place, permanently=action.kind is AfterKind.DELETE_PERMANENTLY)

    def _tag(self, status: JobStatus, place: Location) -> Ending:
        bucket = _source(status).bucket
        # Read before the look: nothing comes between that and the write that need not.
        tags = self._tags_of(bucket, place)
        if (found := self._look(status, place)) is not Found.CURRENT or tags is None:
            return Ending(AfterState.SKIPPED, _why(found, bucket, place))
        tags = _tagged(tags, status)
        if len(tags) > MOST_TAGS:
            return Ending(AfterState.FAILED, f"{_uri(bucket, place)} has as many tags as S3 allows, {MOST_TAGS}")
        self.objects.tag(bucket, place, tags)
        if not place.version_id and self._look(status, place) is Found.OTHER:
            # S3 has no condition for tags. A version id needs none.
            between = "came in between, and may have got the tags"
            return Ending(AfterState.SKIPPED, f"a newer version of {_uri(bucket, place)} {between}")
        return Ending(AfterState.DONE)

    def _tags_of(self, bucket: str, place: Location) -> Mapping[str, str] | None:
        try:
            return self.objects.tags(bucket, place)
        except SourceGoneError:
            return None

    def _delete(self, status: JobStatus, place: Location, *, permanently: bool) -> Ending:
        bucket = _source(status).bucket
        found = self._look(status, place)
        is_repeated = status.after is not None and status.after.tries > 1
        if found is Found.OTHER or (found is Found.GONE and not is_repeated):
            return Ending(AfterState.SKIPPED, _why(found, bucket, place))
        # Also for a repeated attempt that finds no object: a marker may lie over the wrong version.
        if self.objects.remove(bucket, place, permanently=permanently) is Removal.NEWER:
            return Ending(AfterState.SKIPPED, _why(Found.OTHER, bucket, place))
        return Ending(AfterState.DONE)

    def _move(self, status: JobStatus, place: Location, prefix: str, time_left: Callable[[], float]) -> Ending:
        source = _source(status)
        key = prefix + source.key
        if key == place.key:
            return self._tag(status, place)
        if (size := len(key.encode())) > S3.max_key:
            return Ending(AfterState.FAILED, f"the key {key!r} has {size:,} bytes; S3 allows {S3.max_key:,}")
        if status.target == _uri(source.bucket, Location(key, "", "")):
            return Ending(
                AfterState.FAILED, f"{_uri(source.bucket, place)} was not moved: its result is {status.target}"
            )
        copied = status.after.copied if status.after else None
        if copied is None:
            found = self._copied(status, place, key, time_left)
            if isinstance(found, Ending):
                return found
            copied = found
            self.store.note_copy(status, copied)
        try:
            is_there = self._look(status, place) is not Found.OTHER
            removed = is_there and self.objects.remove(source.bucket, place, permanently=False) is not Removal.NEWER
        except PermanentError as error:
            there = _uri(source.bucket, copied)
            return Ending(AfterState.FAILED, f"copied to {there}, but not removed from its place: {_told(error)}")
        # If a newer version came in between, it stays: it has a job of its own. The copy has the bytes of this job's.
        message = "" if removed else f"{_why(Found.OTHER, source.bucket, place)}, and was left there"
        return Ending(AfterState.DONE, message, copied)

    def _copied(
        self, status: JobStatus, place: Location, key: str, time_left: Callable[[], float]
    ) -> Location | Ending:
        """Return a copy of the object under ``key``: that of an interrupted attempt, or a new one."""
        bucket = _source(status).bucket
        if (there := self.objects.head(bucket, key)) and (ours := self._ours(status, key, there)):
            return ours
        if (found := self._look(status, place)) is not Found.CURRENT:
            return Ending(AfterState.SKIPPED, _why(found, bucket, place))
        # A null version is lost when its key is written in a bucket whose versioning is suspended by now.
        keeps_both = Held(0, "", place.version_id).is_versioned and (there is None or there.is_versioned)
        if there and not keeps_both:
            return _clash(bucket, place, key)
        tags = self.objects.tags(bucket, place)
        marked = _tagged(tags, status)
        request = CopyRequest(
            bucket,
            place,
            key,
            marked if len(marked) <= MOST_TAGS else tags,
            may_replace=keeps_both,
            upload=status.after.upload if status.after else "",
        )
        try:
            copied = self.objects.copy(request, keep=partial(self.store.note_upload, status), time_left=time_left)
        except SupersededError as error:
            return Ending(AfterState.SKIPPED, _told(error))
        if copied:
            return copied
        # Someone was faster; or the answer of the copy was lost, and a repeated request met its result.
        there = self.objects.head(bucket, key)
        return (there and self._ours(status, key, there)) or _clash(bucket, place, key)

    def _ours(self, status: JobStatus, key: str, there: Held) -> Location | None:
        """Return an object as a copy that an earlier attempt has made of this version; None if it is no such copy."""
        bucket = _source(status).bucket
        location = Location(key, there.etag, there.version_id)
        tags = self.objects.tags(bucket, location)
        if tags.get(JOB_TAG) == status.job_id:
            if tags.get(STATE_TAG) != str(status.state):
                self.objects.tag(bucket, location, _tagged(tags, status))
            return location
        # An object with nine or ten tags is copied without ours. With the same ETag, it has the same bytes.
        is_untagged = JOB_TAG not in tags and len(tags) > MOST_TAGS - 2
        is_same = there.etag == _place(status).etag and there.modified >= int(status.finished_at)
        return location if is_untagged and is_same else None

    def _look(self, status: JobStatus, place: Location) -> Found:
        """Return whether the object at its place is still the current version."""
        held = self.objects.head(_source(status).bucket, place.key)
        if held is None:
            return Found.GONE
        if place.version_id not in ("", "null"):
            return Found.CURRENT if held.version_id == place.version_id else Found.OTHER
        is_same = held.etag == place.etag and not held.is_versioned and not _is_later(held, status)
        return Found.CURRENT if is_same else Found.OTHER


def _clash(bucket: str, place: Location, key: str) -> Ending:
    there = f"s3://{bucket}/{key} exists, and S3 would keep no version of it"
    return Ending(AfterState.FAILED, f"{_uri(bucket, place)} was not moved: {there}")


def _why(found: Found, bucket: str, place: Location) -> str:
    """Say why an object is left alone."""
    if found is Found.OTHER:
        return f"a newer version of {_uri(bucket, place)} is there"
    return f"{_uri(bucket, place)} does not exist any more"


def _source(status: JobStatus) -> Source:
    if status.upload is None:
        raise SourceGoneError(f"the record of job {status.job_id} lacks its source")
    return status.upload


def _place(status: JobStatus) -> Location:
    """Return where the object of a job is, by its record."""
    source = _source(status)
    return status.location or Location(source.key, source.etag, source.version_id)


def _tagged(tags: Mapping[str, str], status: JobStatus) -> dict[str, str]:
    return {**tags, STATE_TAG: str(status.state), JOB_TAG: status.job_id}


def _is_later(held: Held, status: JobStatus) -> bool:
    """Whether an object of the same ETag was uploaded again after the event of the job.

    S3 dates an object by the start of its upload, in whole seconds; the event came after.
    """
    source = _source(status)
    if status.location or not source.event_time:
        return False
    return held.modified > datetime.fromisoformat(source.event_time).timestamp()


def _uri(bucket: str, place: Location) -> str:
    return f"s3://{bucket}/{place.key}"


def _told(error: PermanentError | RetryableError) -> str:
    return f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE]
