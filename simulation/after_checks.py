"""The model of actions after jobs: what they do is done once, to the version of the job, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from penstock.model.after import AfterState
from penstock.model.job_status import JobStatus
from simulation.rights import PLAIN

if TYPE_CHECKING:
    from simulation.history import History, Uploaded

PLACES = ("", "done/", "quarantine/")


def of_upload(history: History, one: Uploaded, status: JobStatus, name: str) -> Iterator[str]:
    """Yield what is wrong with the object of one upload."""
    after = status.after
    action = after.plan.action(status.state) if after else None
    is_done = bool(after and action and after.state is AfterState.DONE)
    if after and action and after.state in (AfterState.PENDING, AfterState.ACTING):
        yield f"{name}: its action {action.text} was not done"
    if after and action and after.state is AfterState.FAILED and not _was_touched(history, one):
        yield f"{name}: its action {action.text} failed: {after.message}"
    if _was_touched(history, one):
        return
    current = history.stack.s3.current(one.source.bucket, one.source.key)
    stays = not is_done or (action is not None and action.text == "tag")
    if stays and (current is None or current.data != one.content.data) and not status.location:
        yield f"{name}: its object is gone, but the record says {after and after.state}, {status.state}"
    if is_done and not stays and current is not None:
        yield f"{name}: its object is still there after {action and action.text}"
    if action and action.text.startswith("move:") and is_done and status.location:
        found = history.stack.s3.current(one.source.bucket, status.location.key)
        if found is None or found.data != one.content.data:
            yield f"{name}: its object is not at {status.location.key}, where its record has it"
    copies = [place for place in PLACES if _holds(history, one, place)]
    is_deleted = bool(is_done and action and action.text.startswith("delete") and one.source.bucket == PLAIN)
    if len(copies) != (0 if is_done and action and action.text == "delete" else 1) and not is_deleted:
        yield f"{name}: its object is at {copies or 'no place'}"


def _was_touched(history: History, one: Uploaded) -> bool:
    """Whether somebody has deleted the object, or uploaded another version."""
    where = one.source.bucket, one.source.key
    others = [other for other in history.uploads if (other.source.bucket, other.source.key) == where]
    return where in history.deleted or others[-1] is not one or len(others) > 1


def _holds(history: History, one: Uploaded, place: str) -> bool:
    found = history.stack.s3.current(one.source.bucket, place + one.source.key)
    return found is not None and found.data == one.content.data
