"""The model of a history: what must be true of every job and of every result, whatever has happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from penstock.codecs.checksum import crc32
from penstock.destinations.bucket.result_metadata import MADE_BY
from penstock.model.identity import digest
from penstock.model.job import Job
from penstock.model.job_status import JobState, JobStatus
from penstock.routes import Routes, destination_of
from simulation import after_checks, archive_checks, table_checks
from simulation.environment import parsed
from simulation.plan import LAKE, STOP, THROTTLED, is_skipped
from simulation.rights import DROPS, RESULTS
from simulation.s3_objects import Version
from simulation.stack import Stack

if TYPE_CHECKING:
    from simulation.history import History, Uploaded


# However often a destination changes in a history, its job sends everything again (docs/adr/0013).
CONFLICTS = ("PublishConflictError", "UploadConflictError")


# What other modules check.
ELSEWHERE = (LAKE, "drops/archives/", "plain-drops/archives/")
# With so many faults, no job may fail.
HARMLESS_FAULTS = 3


def routes(stack: Stack) -> Routes:
    """Return the routes of a stack as they are now."""
    return parsed(stack.configuration.routes)


def problems(history: History, *, redriven: bool) -> Iterator[str]:
    """Yield what is wrong. ``redriven``: every job that failed was redriven since, without faults."""
    records = {one.job_id: one for one in history.jobs()}
    yield from _of_skipped(history, records)
    routed = [one for one in history.uploads if not is_skipped(one.source.key)]
    jobs = {one.number: job_of(history, one) for one in routed}
    for one in routed:
        yield from _of_upload(history, one, jobs[one.number], records, redriven=redriven)
    objects = [one for one in routed if jobs[one.number].object_target]
    for key in dict.fromkeys((one.source.bucket, one.source.key) for one in objects):
        uploads = [one for one in objects if (one.source.bucket, one.source.key) == key]
        yield from _of_key(history, uploads, jobs, records, redriven=redriven)
    yield from archive_checks.orders(history)
    yield from table_checks.strangers(history)
    yield from _strangers(history, {job.id for job in jobs.values()})


def _of_skipped(history: History, records: Mapping[str, JobStatus]) -> Iterator[str]:
    for one in history.uploads:
        if is_skipped(one.source.key):
            status = records.get(digest(*one.source.identity))
            if status is None and THROTTLED in history.plan.disturbances:
                continue  # its message died unread, and names no job
            if status is None or status.state is not JobState.SKIPPED:
                yield f"{one.source.uri} (upload {one.number}) has no route, but is {status and status.state}"


def job_of(history: History, one: Uploaded) -> Job:
    """Return the job of an upload."""
    route = routes(history.stack).route_of(one.source)
    assert route
    return Job(one.source, route, destination_of(route, one.source))


def _of_upload(
    history: History, one: Uploaded, job: Job, records: Mapping[str, JobStatus], *, redriven: bool
) -> Iterator[str]:
    name = f"{one.source.uri} (upload {one.number})"
    status = records.get(job.id)
    if status is None:
        yield f"{name} has no job"
        return
    if not status.state.final:
        yield f"{name}: its job is {status.state}"
    if job.route.takes_apart:
        yield from archive_checks.of_upload(history, one, status, name, redriven=redriven)
        return
    if job.object_target is None:
        yield from table_checks.of_upload(history, one, status, name, redriven=redriven)
        return
    if job.route.after:
        yield from after_checks.of_upload(history, one, status, name)
    yield from _of_object(history, one, job, status, name, redriven=redriven)


def _of_object(
    history: History, one: Uploaded, job: Job, status: JobStatus, name: str, *, redriven: bool
) -> Iterator[str]:
    published = [version for version in _versions(history, job) if version.metadata.get(MADE_BY) == job.id]
    if len(published) > 1 + history.stack.written.count(job.places[0].key):
        yield f"{name} was published {len(published)} times"
    for version in published:
        if version.data != one.content.decoded:
            yield f"{name}: {len(version.data or b'')} bytes were published that are not its content"
    if status.state is JobState.SUCCEEDED:
        yield from _of_success(one, status, published, name)
    if status.state is JobState.FAILED:
        yield from _of_failure(history, one, job, status, redriven=redriven)


def _of_failure(history: History, one: Uploaded, job: Job, status: JobStatus, *, redriven: bool) -> Iterator[str]:
    name = f"{one.source.uri} (upload {one.number})"
    if _is_current(history, job):
        yield f"{name} has failed, but its result stands at its destination: {status.failure}"
    if one.content.decoded and redriven and _is_readable(history, one):
        yield f"{name} has failed although it was redriven without faults: {status.failure}"
    if status.failure and status.failure.error in CONFLICTS:
        yield f"{name} has failed because its destination changed: {status.failure}"
    if one.content.decoded and not _has_excuse(history):
        yield f"{name} has failed without a fault: {status.failure}"


def _of_success(one: Uploaded, status: JobStatus, published: Sequence[Version], name: str) -> Iterator[str]:
    decoded = one.content.decoded
    if decoded is None:
        yield f"{name} is damaged, but its job has succeeded"
        return
    if not published:
        yield f"{name} has succeeded, but nothing was published"
    if status.progress.bytes_out != len(decoded):
        yield f"{name}: {status.progress.bytes_out} bytes are on record, not {len(decoded)}"
    if status.crc32 != f"{crc32(decoded):08x}":
        yield f"{name}: CRC32 {status.crc32} is on record, not {crc32(decoded):08x}"


def _of_key(
    history: History,
    uploads: Sequence[Uploaded],
    jobs: Mapping[int, Job],
    records: Mapping[str, JobStatus],
    *,
    redriven: bool,
) -> Iterator[str]:
    """Newest wins: results come in the order of the uploads, and the last is that of the newest good one.

    The destination itself says what it holds: once somebody else has written there, an older result may follow.
    """
    by_job = {jobs[one.number].id: one for one in uploads}
    versions = _versions(history, jobs[uploads[0].number])
    pieces: list[list[int]] = [[]]
    for version in versions:
        if one := by_job.get(version.metadata.get(MADE_BY, "")):
            pieces[-1].append(one.number)
        else:
            pieces.append([])
    replaced, order = [number for piece in pieces[:-1] for number in piece], pieces[-1]
    where = uploads[0].source.uri
    if any(piece != sorted(piece) for piece in pieces):
        yield f"{where}: an older version replaced a newer one: {pieces}"
    done = [one.number for one in uploads if _state(records, jobs[one.number]) is JobState.SUCCEEDED]
    if done and max(done) not in replaced and (not order or order[-1] < max(done)):
        yield f"{where}: upload {max(done)} has succeeded, but {order[-1:] or 'nothing'} stands at its destination"
    if not redriven or not _is_readable(history, uploads[-1]):
        return
    # Behind the object of a newer version that was moved or deleted, older versions are not read any more.
    is_acted = jobs[uploads[-1].number].route.after is not None
    kept = uploads[-1:] if is_acted else uploads
    good = [one.number for one in kept if one.content.decoded and _is_kept(one, uploads)]
    if good and good[-1] not in replaced and order[-1:] != good[-1:]:
        states = {one.number: str(_state(records, jobs[one.number])) for one in uploads}
        yield f"{where}: {order[-1:] or 'nothing'} was published last, not upload {good[-1]}; jobs: {states}"


def _strangers(history: History, jobs: set[str]) -> Iterator[str]:
    """Nothing but results of jobs is in the destination."""
    found = {
        (key, version.metadata.get(MADE_BY, ""))
        for (bucket, key), versions in history.stack.s3.versions.items()
        if bucket == RESULTS and not key.startswith(ELSEWHERE)
        for version in versions
    }
    for key, job_id in sorted(found):
        if job_id not in jobs and (job_id or key not in history.stack.written):
            yield f"s3://{RESULTS}/{key} was written by {job_id or 'nobody'}"


def _versions(history: History, job: Job) -> Sequence[Version]:
    target = job.object_target
    assert target
    return history.stack.s3.versions.get((target.bucket, target.key), ())


def _is_current(history: History, job: Job) -> bool:
    versions = _versions(history, job)
    return bool(versions) and versions[-1].metadata.get(MADE_BY) == job.id


def _is_readable(history: History, one: Uploaded) -> bool:
    """Whether the source was not deleted: then nothing more is published of it."""
    return (one.source.bucket, one.source.key) not in history.deleted


def _is_kept(one: Uploaded, uploads: Sequence[Uploaded]) -> bool:
    """Whether a version can be read although a newer one was uploaded."""
    return one is uploads[-1] or one.source.bucket == DROPS


def _state(records: Mapping[str, JobStatus], job: Job) -> JobState | None:
    status = records.get(job.id)
    return status.state if status else None


def _has_excuse(history: History) -> bool:
    """Whether something happened in which a job may fail: many faults, an execution that was stopped,
    invocations that were throttled, or no time.

    The state machine retries a step three times after kills, and a message is delivered five times.
    """
    plan, faults = history.plan, history.stack.chaos.counts.total()
    stopped = any(act.what == STOP for act in plan.acts) or THROTTLED in plan.disturbances
    return faults > HARMLESS_FAULTS or stopped or plan.seconds > 0.1 or plan.limit < 300.0
