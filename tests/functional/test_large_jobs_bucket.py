"""Large bucket jobs from upload to the end of the execution: a complete and correct object, or none."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from isal import igzip

from machine import Plant, StepKilledError
from machine_faults import FaultPlan, FaultyPort
from machine_sources import TEXT, in_blocks, in_members
from penstock.destinations.bucket.result_metadata import MADE_BY, MADE_FROM, ORDER, origin
from penstock.errors import (
    AccessDeniedError,
    ChecksumMismatchError,
    IncompleteJobError,
    LeaseLostError,
    PenstockError,
    PublishConflictError,
    ServiceUnavailableError,
    SupersededError,
)
from penstock.jobs.announce.announcement import detail_of
from penstock.large_jobs.plan import index_of
from penstock.large_jobs.span_planning import SpanBoundary
from penstock.model.job import MAX_ATTEMPTS, Claim, Job
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Content, ObjectHead, Source, Target
from penstock.testing import FailingSource, FaultyObjectStore, FlippedBit, ManualDeadline, reset

ROUTES = """
[[route]]
name = "decompress"
match = ["*"]
destination = "s3://out/result"
"""
RESULT = Target("out", "result")


@pytest.fixture
def plant() -> Plant:
    return Plant(ROUTES)


def result(plant: Plant) -> bytes | None:
    stored = plant.store.get("out", "result")
    return stored.data if stored else None


def check_success(plant: Plant, status: JobStatus) -> None:
    assert (status.state, result(plant) == TEXT) == (JobState.SUCCEEDED, True), status
    assert plant.store.uploads == {}


def check_failure(plant: Plant, status: JobStatus, state: JobState = JobState.FAILED) -> None:
    assert (status.state, result(plant)) == (state, None), status
    assert plant.store.uploads == {}
    assert status.failure


def failure_of(status: JobStatus) -> tuple[str, str]:
    assert status.failure
    return status.failure.error, status.failure.message


def begin(plant: Plant, data: bytes = TEXT, key: str = "data.csv") -> tuple[str, Source]:
    """A job that was handed to the state machine."""
    source = plant.upload(key, data)
    outcome = plant.ingest(source)
    assert outcome.state is JobState.EXECUTING
    return outcome.job_id, source


def plan(plant: Plant, job_id: str) -> list[object]:
    """Index or survey, plan, and return the spans."""
    while (following := plant.planner(job_id, job_id, ManualDeadline(900)))["next"] == "index":
        plant.indexer(job_id, job_id, None, ManualDeadline(900))
    return plant.items(following)


def work(plant: Plant, job_id: str, item: object) -> None:
    plant.worker(job_id, job_id, item, ManualDeadline(900))


def finish(plant: Plant, job_id: str) -> None:
    plant.finisher(job_id, job_id)


def abort(plant: Plant, job_id: str, error: PenstockError | None = None) -> None:
    plant.abort(job_id, error or SupersededError("somebody stopped it"))


@pytest.mark.parametrize("make", [in_blocks, in_members], ids=["one member", "members"])
def test_gzip_is_indexed_cut_and_joined(plant: Plant, make: Callable[[bytes], bytes]) -> None:
    data = make(TEXT)
    status = plant.run(plant.upload("data.csv.gz", data))
    check_success(plant, status)
    assert (status.progress.bytes_in, status.progress.bytes_out) == (len(data), len(TEXT))
    assert status.crc32 == f"{zlib.crc32(TEXT):08x}"
    assert status.spans == status.spans_done == plant.calls.count("work") > 2


def test_plain_bytes_are_cut_without_an_index(plant: Plant) -> None:
    status = plant.run(plant.upload("data.csv", TEXT))
    check_success(plant, status)
    assert status.spans == plant.calls.count("work") > 2
    assert "index" not in plant.calls


def test_s3_copies_plain_bytes_and_no_worker_reads_them(plant: Plant) -> None:
    job_id, _ = begin(plant)
    items = plan(plant, job_id)
    plant.objects = FaultyObjectStore(plant.store, source=lambda source: FailingSource(source, 0, reset()))
    for item in items:
        work(plant, job_id, item)
    plant.objects = plant.store
    finish(plant, job_id)
    assert result(plant) == TEXT


def test_a_worker_sends_plain_bytes_where_a_copy_is_not_proven(plant: Plant) -> None:
    plant.parts.proves_copies = False
    check_success(plant, plant.run(plant.upload("data.csv", TEXT)))


def test_a_source_without_entry_points_is_one_span(plant: Plant) -> None:
    status = plant.run(plant.upload("data.csv.xz", lzma.compress(TEXT)))
    check_success(plant, status)
    assert status.spans == plant.calls.count("work") == 1


@pytest.mark.parametrize("data", [b"", b"x"])
def test_however_little_there_is(plant: Plant, data: bytes) -> None:
    plant.run(plant.upload("data.csv.gz", in_blocks(data)))
    assert result(plant) == data
    assert plant.store.uploads == {}


def test_a_plain_byte_is_a_span(plant: Plant) -> None:
    plant.run(plant.upload("data.csv", b"x"))
    assert result(plant) == b"x"


def test_the_event_of_a_success_says_what_was_delivered(plant: Plant) -> None:
    status = plant.run(plant.upload("data.csv", TEXT))
    detail = detail_of(status)
    receipt: Any = detail["receipt"]
    assert (detail["job"], detail["source"], detail["target"]) == (
        status.job_id,
        "s3://drops/data.csv",
        "s3://out/result",
    )
    assert (receipt["bytes_out"], receipt["crc32"]) == (len(TEXT), zlib.crc32(TEXT))
    stored = plant.store.get("out", "result")
    assert stored
    assert receipt["etag"] == stored.head.etag


def test_the_result_says_where_it_came_from(plant: Plant) -> None:
    status = plant.run(plant.upload("data.csv.gz", in_blocks(TEXT)))
    stored = plant.store.get("out", "result")
    assert stored
    assert stored.head.metadata[MADE_BY] == status.job_id


# The index


def boundaries(plant: Plant, source: Source) -> list[SpanBoundary]:
    return list(index_of(plant.files, source, "gzip", plant.sizes).boundaries())


def entries(boundaries: list[SpanBoundary]) -> list[object]:
    return [one.entry for one in boundaries]


@pytest.fixture(scope="module")
def whole_index() -> list[object]:
    plant = Plant(ROUTES)
    job_id, source = begin(plant, in_blocks(TEXT), "data.csv.gz")
    plan(plant, job_id)
    found = entries(boundaries(plant, source))
    assert len(found) > 20
    return found


@pytest.mark.parametrize("pieces", [4, 5, 7, 11, 20, 35, 60])
def test_a_pass_that_runs_out_of_time_again_and_again_makes_the_same_index(
    plant: Plant, whole_index: list[object], pieces: int
) -> None:
    source = plant.upload("data.csv.gz", in_blocks(TEXT))
    # Each check of the time takes a second, and there is one for each piece of 1 KB.
    short, long = partial(ManualDeadline, 10.0 + pieces, per_look=1.0), partial(ManualDeadline, 900.0)
    plant.deadlines = lambda: short() if plant.calls[-1:] == ["index"] else long()
    status = plant.run(source)
    assert entries(boundaries(plant, source)) == whole_index
    check_success(plant, status)
    assert plant.calls.count("index") > (1 if pieces < 50 else 0)


class Dying(FaultPlan):
    """Raises StepKilledError at the n-th call of a port, once."""

    def __init__(self, at: int) -> None:
        super().__init__(random=None, rate=0.0)  # type: ignore[arg-type]  # no random faults
        self.left = at

    def inject(self, point: str) -> None:
        self.left -= 1
        if self.left == 0:
            raise StepKilledError(point)


@pytest.mark.parametrize("port", ["files", "objects"])
def test_a_pass_that_is_killed_anywhere_makes_the_same_index(port: str, whole_index: list[object]) -> None:
    data = in_blocks(TEXT)
    at = 0
    finished = False
    while not finished:
        at += 1
        plant = Plant(ROUTES)
        job_id, source = begin(plant, data, "data.csv.gz")
        good, fault_plan = getattr(plant, port), Dying(at)
        setattr(plant, port, FaultyPort(good, fault_plan))
        done = False
        while not done:
            with suppress(StepKilledError):
                # Enough time for a third of the source.
                deadline = ManualDeadline(10.0 + 18, per_look=1.0)
                done = bool(plant.indexer(job_id, job_id, None, deadline)["done"])
        finished = fault_plan.left > 0
        setattr(plant, port, good)
        assert entries(boundaries(plant, source)) == whole_index, at
    assert at > 10


def test_a_second_job_on_the_same_version_needs_no_pass() -> None:
    plant = Plant(ROUTES)
    job_id, source = begin(plant, in_blocks(TEXT), "data.csv.gz")
    plan(plant, job_id)
    plant.store.uploads.clear()
    plant.routes_text = ROUTES.replace('"decompress"', '"again"')
    check_success(plant, plant.run(source))
    assert "index" not in plant.calls


def test_two_concurrent_passes_make_one_correct_index(plant: Plant, whole_index: list[object]) -> None:
    job_id, source = begin(plant, in_blocks(TEXT), "data.csv.gz")
    state = index_of(plant.files, source, "gzip", plant.sizes)

    def stretch(looks: int) -> None:
        plant.indexer(job_id, job_id, None, ManualDeadline(10.0 + looks, per_look=1.0))

    stretch(9)
    early = state.state()
    stretch(14)
    # The other pass began at the same point, read less, and now overwrites entries that it does not have.
    state.write(early)
    stretch(7)
    while not state.state().done:
        stretch(12)
    assert entries(boundaries(plant, source)) == whole_index
    plant.execute(job_id)
    check_success(plant, plant.jobs.jobs[job_id])


def test_a_source_that_can_be_entered_nowhere_and_does_not_fit_an_invocation_fails_and_says_so(plant: Plant) -> None:
    plant.deadlines = lambda: ManualDeadline(20.0, per_look=1.0)
    # isal puts all of it into one deflate block.
    status = plant.run(plant.upload("data.csv.gz", igzip.compress(TEXT, 0)))
    check_failure(plant, status)
    error, message = failure_of(status)
    assert (error, "no index entry was found" in message) == ("TimeLimitError", True)


# Sources that changed, or that are damaged


@pytest.mark.parametrize("step", ["plan", "index", "work", "finish"])
def test_a_source_that_is_deleted_is_superseded_unless_all_of_it_was_read(plant: Plant, step: str) -> None:
    source = plant.upload("data.csv.gz", in_blocks(TEXT))

    def erase(called: str) -> None:
        if called == step:
            plant.store.erase(source)

    plant.fail = erase
    status = plant.run(source)
    if step == "finish":
        check_success(plant, status)
    else:
        check_failure(plant, status, JobState.SUPERSEDED)
        assert failure_of(status)[0] == "SourceGoneError"


def test_a_source_that_is_overwritten_in_a_bucket_without_versions_is_superseded() -> None:
    plant = Plant(ROUTES)
    plant.store._unversioned = {"drops"}
    source = plant.upload("data.csv.gz", in_blocks(TEXT))

    def overwrite(step: str) -> None:
        if step == "work":
            plant.upload("data.csv.gz", b"new")

    plant.fail = overwrite
    status = plant.run(source)
    check_failure(plant, status, JobState.SUPERSEDED)
    assert failure_of(status)[0] == "SourceChangedError"


def test_garbage_after_the_last_member_is_warned_of(plant: Plant) -> None:
    status = plant.run(plant.upload("data.csv.gz", in_blocks(TEXT) + b"garbage"))
    check_success(plant, status)
    assert any("garbage" in warning for warning in status.warnings)


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "errors"),
    [
        (lambda data: damaged(data, len(data) // 2), {"CorruptSourceError", "ChecksumMismatchError"}),
        (lambda data: damaged(data, len(data) - 6), {"ChecksumMismatchError"}),
        (lambda data: data[:-5], {"TruncatedSourceError"}),
        (lambda data: data[: len(data) // 2], {"TruncatedSourceError"}),
    ],
    ids=["a byte in the middle", "a byte of the checksum", "trailer cut short", "half of it"],
)
def test_a_damaged_source_fails_by_name_and_offset(
    plant: Plant, damage: Callable[[bytes], bytes], errors: set[str]
) -> None:
    status = plant.run(plant.upload("data.csv.gz", damage(in_blocks(TEXT))))
    check_failure(plant, status)
    error, message = failure_of(status)
    assert error in errors
    assert message.startswith("s3://drops/data.csv.gz: ")
    assert "at byte" in message


def test_a_bomb_is_stopped_at_the_ceiling_of_its_route() -> None:
    plant = Plant(ROUTES + "max_bytes = 20000\n")
    status = plant.run(plant.upload("data.csv.gz", in_blocks(TEXT)))
    check_failure(plant, status)
    assert failure_of(status)[0] == "ExpansionLimitError"
    assert plant.calls.count("index") == 1


def test_an_index_that_another_route_allowed_does_not_lift_the_ceiling(plant: Plant) -> None:
    job_id, source = begin(plant, in_blocks(TEXT), "data.csv.gz")
    plan(plant, job_id)
    plant.store.uploads.clear()
    plant.routes_text = ROUTES.replace('"decompress"', '"again"') + "max_bytes = 20000\n"
    status = plant.run(source)
    check_failure(plant, status)
    assert failure_of(status)[0] == "ExpansionLimitError"


def test_spans_that_deliver_other_bytes_than_were_indexed_are_never_published(plant: Plant) -> None:
    job_id, _ = begin(plant, in_blocks(TEXT), "data.csv.gz")
    items: list[Any] = plan(plant, job_id)
    # The same number of bytes, but of another span, as with the index of another source.
    own = {name: items[1][name] for name in ("number", "first_part", "bytes_in")}
    items[1] = items[2] | own
    for item in items:
        work(plant, job_id, item)
    with pytest.raises(ChecksumMismatchError):
        finish(plant, job_id)
    assert result(plant) is None
    abort(plant, job_id, ChecksumMismatchError("other bytes", offset=0))
    check_failure(plant, plant.jobs.jobs[job_id])


def test_spans_of_a_copy_that_are_not_what_s3_has_of_its_source_are_never_published(plant: Plant) -> None:
    plant.parts.proves_copies = False
    job_id, _ = begin(plant)
    first, *others = plan(plant, job_id)
    plant.objects = FaultyObjectStore(plant.store, source=FlippedBit)
    work(plant, job_id, first)
    plant.objects = plant.store
    for item in others:
        work(plant, job_id, item)
    with pytest.raises(ChecksumMismatchError):
        finish(plant, job_id)
    abort(plant, job_id, ChecksumMismatchError("other bytes", offset=0))
    check_failure(plant, plant.jobs.jobs[job_id])


def test_a_newer_result_that_was_published_meanwhile_stays(plant: Plant) -> None:
    source = plant.upload("data.csv", TEXT)
    newer = {MADE_BY: "another", MADE_FROM: origin(source), ORDER: "F" * 64}

    def publish(step: str) -> None:
        if step == "finish":
            plant.store.put("out", "result", b"newer", content=Content(metadata=newer))

    plant.fail = publish
    status = plant.run(source)
    assert (status.state, result(plant)) == (JobState.SUPERSEDED, b"newer")
    assert plant.store.uploads == {}


def others_write(plant: Plant, times: int, *, delete: bool = False) -> None:
    """The destination changes this number of times after the spans are delivered, while the upload is open."""
    left = [times]

    def write(step: str) -> None:
        if step == "finish" and left[0]:
            left[0] -= 1
            if delete:
                plant.store.delete("out", "result")
            else:
                plant.store.put("out", "result", b"of somebody else")

    plant.fail = write


@pytest.mark.parametrize("make", [in_blocks, bytes], ids=["gzip", "plain"])
@pytest.mark.parametrize("times", [1, 3])
def test_all_spans_are_sent_again_in_a_new_upload_where_s3_refuses_to_complete_one(
    plant: Plant, make: Callable[[bytes], bytes], times: int
) -> None:
    others_write(plant, times)
    status = plant.run(plant.upload("data.csv.gz" if make is in_blocks else "data.csv", make(TEXT)))
    check_success(plant, status)
    assert status.round == times
    assert plant.calls.count("finish") == times + 1
    assert plant.calls.count("work") == status.spans * (times + 1)
    assert (status.spans_done, status.progress.bytes_out) == (status.spans, len(TEXT))


def test_so_they_are_where_the_destination_was_deleted(plant: Plant) -> None:
    plant.store.put("out", "result", b"before")
    others_write(plant, 1, delete=True)
    check_success(plant, plant.run(plant.upload("data.csv", TEXT)))


def test_they_are_if_the_upload_was_aborted_from_outside(plant: Plant) -> None:
    def end_upload(step: str) -> None:
        if step == "finish" and plant.calls.count("finish") == 1:
            plant.store.sweep(RESULT)

    plant.fail = end_upload
    check_success(plant, plant.run(plant.upload("data.csv", TEXT)))


def test_they_are_if_it_was_aborted_while_spans_are_delivered(plant: Plant) -> None:
    """The sweep of an attempt of another job for the same key (ADR 6)."""

    def end_upload(step: str) -> None:
        if step == "work" and plant.calls.count("work") == 2:
            plant.store.sweep(RESULT)

    plant.fail = end_upload
    status = plant.run(plant.upload("data.csv", TEXT))
    check_success(plant, status)
    assert (status.round, plant.calls.count("work")) == (1, 2 * status.spans)


def test_who_keeps_writing_the_destination_does_not_keep_the_machine_busy_for_ever(plant: Plant) -> None:
    others_write(plant, 1000)
    status = plant.run(plant.upload("data.csv", b"x"))
    assert (status.state, failure_of(status)[0]) == (JobState.FAILED, "UploadConflictError")
    assert plant.store.uploads == {}


def test_finish_that_dies_between_two_rounds_answers_as_before(plant: Plant) -> None:
    job_id, _ = begin(plant)
    for item in plan(plant, job_id):
        work(plant, job_id, item)
    plant.store.put("out", "result", b"of somebody else")
    plant.executions.start_round(job_id, job_id, 1)
    assert plant.finisher(job_id, job_id, 0) == {"next": "again"}
    assert plant.finisher(job_id, job_id, 0) == {"next": "again"}
    assert plant.jobs.jobs[job_id].round == 1
    assert plant.store.uploads == {}
    assert plant.execute(job_id)
    check_success(plant, plant.jobs.jobs[job_id])


def test_an_upload_that_cannot_be_noted_is_ended(plant: Plant) -> None:
    job_id, _ = begin(plant)
    good = plant.executions.record_upload
    refused = [ServiceUnavailableError("slow down")]

    def record_upload(job_id: str, execution: str, upload_id: str) -> None:
        if refused:
            raise refused.pop()
        good(job_id, execution, upload_id)

    plant.executions.record_upload = record_upload  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailableError):
        plan(plant, job_id)
    assert plant.store.uploads == {}
    assert plant.execute(job_id)
    check_success(plant, plant.jobs.jobs[job_id])


def test_executions_of_the_release_before_name_no_round(plant: Plant) -> None:
    """The definition of older executions passes no round, and their files are those of round 0."""
    job_id, _ = begin(plant)
    for item in plan(plant, job_id):
        plant.worker(job_id, job_id, item, ManualDeadline(900))
    assert f"jobs/{job_id}/upload-{job_id}.json" in plant.files.files
    assert plant.finisher(job_id, job_id)["next"] == "done"
    assert result(plant) == TEXT


# Two versions of one source

NEWER = TEXT[::-1]


def test_a_version_is_published_though_an_older_one_was_while_its_upload_was_open(plant: Plant) -> None:
    first = plant.ingest(plant.upload("data.csv", TEXT)).job_id
    items = plan(plant, first)
    for item in items:
        work(plant, first, item)
    second = plant.upload("data.csv", NEWER)

    def publish_first(step: str) -> None:
        if step == "finish" and result(plant) is None:
            plant.executions.check_order = lambda job: None  # type: ignore[method-assign]  # it had checked before
            finish(plant, first)

    plant.fail = publish_first
    status = plant.run(second)
    assert plant.jobs.jobs[first].state is JobState.SUCCEEDED
    assert (status.state, status.round, result(plant)) == (JobState.SUCCEEDED, 1, NEWER)
    assert plant.store.uploads == {}


def test_an_older_version_yields_before_it_is_published_and_resumes_if_the_newer_one_fails(plant: Plant) -> None:
    source = plant.upload("data.csv", TEXT)
    first = plant.ingest(source).job_id
    newer = plant.upload("data.csv", in_blocks(NEWER)[:-8])
    second = plant.ingest(newer).job_id
    assert plant.execute(first)
    status = plant.jobs.jobs[first]
    assert (status.state, status.yields_to, result(plant)) == (JobState.WAITING, second, None)
    assert plant.finisher(first, first) == {"next": "yielded"}
    plant.files.files[f"jobs/{second}/manifest.jsonl"] = b""
    plant.abort(second, ChecksumMismatchError("other bytes", offset=0))
    assert plant.jobs.jobs[second].state is JobState.FAILED
    # The reconciler sends the event of the older version again.
    plant.machine.ended.add(first)
    assert plant.ingest(source).state is JobState.EXECUTING
    again = plant.jobs.jobs[first]
    assert again.execution != first
    assert again.attempts_limit - again.attempts == MAX_ATTEMPTS - 1
    assert plant.execute(again.execution)
    assert (plant.jobs.jobs[first].state, result(plant)) == (JobState.SUCCEEDED, TEXT)
    assert plant.store.uploads == {}


def test_an_older_version_is_superseded_once_the_newer_one_has_succeeded(plant: Plant) -> None:
    source = plant.upload("data.csv", TEXT)
    first = plant.ingest(source).job_id
    second = plant.ingest(plant.upload("data.csv", NEWER)).job_id
    assert plant.execute(first)
    assert plant.execute(second)
    assert plant.ingest(source).state is JobState.SUPERSEDED
    assert (plant.jobs.jobs[second].state, result(plant)) == (JobState.SUCCEEDED, NEWER)
    assert plant.store.uploads == {}


# Steps that are called again, or at the wrong time


def test_every_step_may_be_called_again(plant: Plant) -> None:
    job_id, _ = begin(plant, in_blocks(TEXT), "data.csv.gz")
    items = plan(plant, job_id)
    assert plan(plant, job_id) == items
    assert len(plant.store.uploads) == 1
    for item in items:
        work(plant, job_id, item)
        work(plant, job_id, item)
    plan(plant, job_id)
    finish(plant, job_id)
    finish(plant, job_id)
    status = plant.jobs.get(job_id)
    assert status
    assert status.spans_done == len(items)
    assert (plant.jobs.jobs[job_id].state, result(plant)) == (JobState.SUCCEEDED, TEXT)


def test_a_span_that_was_written_but_not_counted_is_written_again(plant: Plant) -> None:
    job_id, _ = begin(plant)
    items = plan(plant, job_id)
    for item in items:
        work(plant, job_id, item)
    plant.executions.kept.clear()
    for item in reversed(items):
        work(plant, job_id, item)
    finish(plant, job_id)
    assert result(plant) == TEXT


def test_finish_called_again_does_not_disturb_a_newer_result(plant: Plant) -> None:
    status = plant.run(plant.upload("data.csv", TEXT))
    plant.store.put("out", "result", b"newer")
    finish(plant, status.job_id)
    assert (result(plant), plant.jobs.jobs[status.job_id].state) == (b"newer", JobState.SUCCEEDED)


def test_abort_after_finish_leaves_the_result(plant: Plant) -> None:
    status = plant.run(plant.upload("data.csv", TEXT))
    abort(plant, status.job_id)
    check_success(plant, plant.jobs.jobs[status.job_id])


@pytest.mark.parametrize("done", ["planned", "begun", "worked"])
def test_abort_leaves_nothing_however_often_it_is_called(plant: Plant, done: str) -> None:
    job_id, _ = begin(plant)
    items = plan(plant, job_id)
    for item in {"planned": [], "begun": items[:2], "worked": items}[done]:
        work(plant, job_id, item)
    abort(plant, job_id)
    abort(plant, job_id)
    check_failure(plant, plant.jobs.jobs[job_id], JobState.SUPERSEDED)


def test_a_job_that_was_never_planned_can_be_aborted(plant: Plant) -> None:
    job_id, _ = begin(plant)
    abort(plant, job_id)
    check_failure(plant, plant.jobs.jobs[job_id], JobState.SUPERSEDED)


def test_after_abort_no_step_delivers_anything(plant: Plant) -> None:
    job_id, _ = begin(plant)
    items = plan(plant, job_id)
    for item in items[1:]:
        work(plant, job_id, item)
    abort(plant, job_id)
    for step in (
        lambda: plant.planner(job_id, job_id, ManualDeadline(900)),
        lambda: work(plant, job_id, items[0]),
        lambda: finish(plant, job_id),
    ):
        # A worker does not read the job; its upload is gone.
        with pytest.raises((LeaseLostError, PublishConflictError)):
            step()
    check_failure(plant, plant.jobs.jobs[job_id], JobState.SUPERSEDED)


def test_a_source_in_one_span_is_not_published_after_abort(plant: Plant) -> None:
    job_id, _ = begin(plant, lzma.compress(TEXT), "data.xz")
    (item,) = plan(plant, job_id)
    abort(plant, job_id)
    with pytest.raises(LeaseLostError):
        work(plant, job_id, item)
    check_failure(plant, plant.jobs.jobs[job_id], JobState.SUPERSEDED)


def test_a_worker_that_is_overtaken_by_abort_publishes_nothing(plant: Plant) -> None:
    job_id, _ = begin(plant, lzma.compress(TEXT), "data.xz")
    (item,) = plan(plant, job_id)
    deadline = ManualDeadline(900)
    looks = iter(range(1000))

    class Overtaken:
        def remaining(self) -> float:
            if next(looks) == 5:
                abort(plant, job_id)
            return deadline.remaining()

    with pytest.raises(LeaseLostError):
        plant.worker(job_id, job_id, item, Overtaken())
    check_failure(plant, plant.jobs.jobs[job_id], JobState.SUPERSEDED)


def test_a_worker_that_runs_during_an_abort_publishes_nothing(plant: Plant) -> None:
    job_id, _ = begin(plant, lzma.compress(TEXT), "data.xz")
    (item,) = plan(plant, job_id)

    class Meanwhile(FaultyObjectStore):
        def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
            found = self.inner.head(bucket, key, version_id=version_id)
            plant.objects = plant.store
            with pytest.raises(LeaseLostError):
                work(plant, job_id, item)
            return found

    plant.objects = Meanwhile(plant.store)
    abort(plant, job_id)
    check_failure(plant, plant.jobs.jobs[job_id], JobState.SUPERSEDED)


def test_abort_finds_an_unrecorded_result(plant: Plant) -> None:
    job_id, _ = begin(plant, in_blocks(TEXT), "data.csv.gz")
    for item in plan(plant, job_id):
        work(plant, job_id, item)
    good = plant.executions
    # Its calls: read the job, record the phase, read receipts, check for a newer version, record the end.
    plant.executions = FaultyPort(good, Dying(9))  # type: ignore[assignment]  # an ExecutionStore
    with pytest.raises(StepKilledError):
        finish(plant, job_id)
    plant.executions = good
    assert plant.jobs.jobs[job_id].state is JobState.EXECUTING
    plant.abort(job_id, StepKilledError("finish"))
    check_success(plant, plant.jobs.jobs[job_id])


def test_abort_finds_a_result_that_ingest_published_before_the_job_was_handed_over(plant: Plant) -> None:
    job_id, source = begin(plant, in_blocks(TEXT), "data.csv.gz")
    ours = {MADE_BY: job_id, MADE_FROM: origin(source), ORDER: source.order}
    plant.store.put("out", "result", TEXT, content=Content(metadata=ours))
    plant.abort(job_id, ServiceUnavailableError("the first look at the source failed, as often as it was tried"))
    status = plant.jobs.jobs[job_id]
    check_success(plant, status)
    assert (status.codec, status.crc32) == ("gzip", f"{zlib.crc32(TEXT):08x}")


def test_a_missing_receipt_keeps_the_job_from_being_finished(plant: Plant) -> None:
    job_id, _ = begin(plant)
    for item in plan(plant, job_id)[:-1]:
        work(plant, job_id, item)
    with pytest.raises(IncompleteJobError, match="1 of 5 spans have no receipt"):
        finish(plant, job_id)
    assert result(plant) is None


# From ingest to the state machine


def taken(plant: Plant, size: int, key: str, deadline: float, route: str = ROUTES) -> bool:
    """Whether ingest hands over a source of this size."""
    plant.large_bytes = 0
    plant.routes_text = route
    source = Source("drops", key, size, "etag")
    found = plant.routes.find("drops", key)
    assert found
    return plant.handover.wants(Job(source, found, RESULT), ManualDeadline(deadline), Claim("job", "attempt", 1))


MB = 1_000_000


@pytest.mark.parametrize(
    ("size", "key", "deadline", "wanted"),
    [
        (1 * MB, "a.csv.gz", 900.0, False),
        (40 * MB, "a.csv.gz", 900.0, False),
        (1_000 * MB, "a.csv.gz", 900.0, True),
        (40 * MB, "a.csv.gz", 20.0, True),
        (40 * MB, "a.csv.bz2", 900.0, True),
        (40 * MB, "a.csv", 900.0, False),
    ],
)
def test_what_will_take_long_or_more_than_half_of_the_time_is_handed_over(
    plant: Plant, size: int, key: str, deadline: float, *, wanted: bool
) -> None:
    assert taken(plant, size, key, deadline) is wanted


def test_a_threshold_in_bytes_overrides_the_estimate(plant: Plant) -> None:
    plant.large_bytes = len(TEXT)
    assert plant.ingest(plant.upload("as large.csv", TEXT)).state is JobState.EXECUTING
    assert plant.ingest(plant.upload("smaller.csv", TEXT[1:])).state is JobState.SUCCEEDED


def test_a_job_that_runs_out_of_time_in_ingest_is_handed_over_and_resumes(plant: Plant) -> None:
    plant.large_bytes = 10 * MB
    source = plant.upload("data.csv.gz", in_blocks(TEXT))
    outcome = plant.ingest(source, ManualDeadline(25.0, per_look=1.0))
    assert outcome.state is JobState.EXECUTING
    assert plant.store.uploads == {}
    plant.execute(outcome.job_id)
    check_success(plant, plant.jobs.jobs[outcome.job_id])


def test_the_event_of_a_job_that_the_machine_has_does_nothing(plant: Plant) -> None:
    job_id, source = begin(plant)
    plan(plant, job_id)
    again = plant.ingest(source)
    assert (again.repeat, again.state, again.retry) == (True, JobState.EXECUTING, None)
    assert len(plant.machine.started) == 1


@pytest.mark.parametrize("at", range(1, 9))
def test_a_hand_over_that_was_cut_short_anywhere_is_made_good_by_the_next_delivery(plant: Plant, at: int) -> None:
    source = plant.upload("data.csv", TEXT)
    files, executions, machine = plant.files, plant.executions, plant.machine
    fault_plan: Any = Dying(at)
    plant.files, plant.executions, plant.machine = (FaultyPort(one, fault_plan) for one in (files, executions, machine))  # type: ignore[assignment]
    try:
        plant.ingest(source)
    except StepKilledError:
        plant.now += 1000
        assert plant.ingest(source).retry is None
    plant.files, plant.executions, plant.machine = files, executions, machine
    (execution,) = machine.started
    plant.execute(execution)
    check_success(plant, plant.jobs.jobs[plant.job_of(execution)])


class Refusing:
    """A state machine that cannot be started."""

    def __init__(self, error: PenstockError) -> None:
        self.error = error

    def start(self, execution: str, payload: str) -> bool:
        raise self.error


def test_a_job_whose_execution_ended_without_it_is_handed_over_under_another_name(plant: Plant) -> None:
    source = plant.upload("data.csv", TEXT)
    job_id = plant.ingest(source).job_id
    plant.machine.ended.add(job_id)
    plant.now += 1000
    assert plant.ingest(source).state is JobState.EXECUTING
    assert list(plant.machine.started) == [job_id, f"{job_id}-2"]
    plant.execute(f"{job_id}-2")
    check_success(plant, plant.jobs.jobs[job_id])


def test_a_machine_that_is_throttled_is_started_by_the_next_delivery(plant: Plant) -> None:
    source = plant.upload("data.csv", TEXT)
    machine = plant.machine
    plant.machine = Refusing(ServiceUnavailableError("StartExecution: ThrottlingException"))  # type: ignore[assignment]  # a StateMachine
    assert plant.ingest(source).retry
    plant.machine = machine
    plant.now += 1000
    outcome = plant.ingest(source)
    plant.execute(outcome.job_id)
    check_success(plant, plant.jobs.jobs[outcome.job_id])


def test_a_machine_that_may_not_be_started_fails_the_job_and_names_the_right(plant: Plant) -> None:
    plant.machine = Refusing(AccessDeniedError("states:StartExecution on the machine"))  # type: ignore[assignment]  # as above
    outcome = plant.ingest(plant.upload("data.csv", TEXT))
    status = plant.jobs.jobs[outcome.job_id]
    assert (outcome.retry, outcome.state, status.state) == (None, JobState.FAILED, JobState.FAILED)
    assert "states:StartExecution" in failure_of(status)[1]
