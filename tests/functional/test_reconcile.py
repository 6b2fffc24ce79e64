"""Every job reaches a recorded end, whatever happens to its attempts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from machine import Plant, StepKilledError
from penstock.errors import AccessDeniedError, LeaseLostError, ServiceUnavailableError
from penstock.jobs.events import notification, read_event
from penstock.jobs.reconcile.dead_letters import DeadLetters
from penstock.jobs.reconcile.due_actions import ActionCheck
from penstock.jobs.reconcile.due_jobs import ABORTS, RESTARTS, SENDS, Reconciler
from penstock.jobs.reconcile.reconciler import Reconciliation
from penstock.jobs.reconcile.unused_files import UnusedLook
from penstock.jobs.reconcile.uploads import OLD_SECONDS, UploadSweep
from penstock.jobs.runner import Outcome
from penstock.limits import EXECUTING_SECONDS, MIB, WAITING_SECONDS, YIELDING_SECONDS
from penstock.model.job import MAX_ATTEMPTS, Claim, Failure, Job, Progress
from penstock.model.job_status import Execution, JobState, JobStatus
from penstock.model.object import Source, Target
from penstock.model.upload import Unfinished
from penstock.routes import destination_of
from penstock.testing import ManualDeadline, MemoryAfterStore, MemoryEventQueue, MemoryOpenJobs
from penstock.testing.objects import MemoryBucketSink

BUCKET = """
[[route]]
name = "decompress"
match = ["*"]
destination = "s3://out/{stem}"
"""
TEXT = b"".join(b"%d,some text\n" % n for n in range(5_000))
LATE = 10_000_000


@dataclass
class MemoryOwnUploads:
    """The uploads of a `MemoryObjectStore`, all of age ``age``. Implements ``OwnUploads``."""

    plant: Plant
    age: float = OLD_SECONDS

    def older_than(self, seconds: float) -> Iterator[Unfinished]:
        uploads = list(self.plant.store.uploads.items())
        if self.age >= seconds:
            yield from [Unfinished(upload.target, upload_id, self.age) for upload_id, upload in uploads]

    def end(self, upload: Unfinished) -> None:
        self.plant.store.abort_upload(upload.id)


@dataclass
class MemoryDeadLetters:
    """Implements ``DeadLetterQueue``: each body is received once per run, and stays until it is deleted."""

    bodies: list[str] = field(default_factory=list)
    hidden: int = 0

    def receive(self) -> list[tuple[str, str]]:
        found = [(body, body) for body in self.bodies[self.hidden : self.hidden + 10]]
        self.hidden += len(found)
        return found

    def delete(self, receipt_handle: str) -> None:
        self.bodies.remove(receipt_handle)
        self.hidden -= 1


class Site:
    """A plant with a reconciler. Killed attempts do nothing more. With ``deaf``, `abort` does not end."""

    def __init__(self) -> None:
        self.plant = Plant(BUCKET)
        self.plant.large_bytes = LATE
        self.open_jobs = MemoryOpenJobs(self.plant.jobs)
        self.queue = MemoryEventQueue()
        self.letters = MemoryDeadLetters()
        self.uploads = MemoryOwnUploads(self.plant)
        self.deaf = False
        self.newer: Claim | JobStatus | None = None
        self.asked: list[tuple[str, str]] = []
        self.unused: list[str] = []

    def abort(self, job_id: str, execution: str, error: Mapping[str, str]) -> None:
        self.asked.append((execution, error["Error"]))
        if not self.deaf:
            self.plant.aborter(job_id, execution, error)

    @property
    def reconciler(self) -> Reconciler:
        plant = self.plant
        clock = lambda: plant.now  # noqa: E731
        return Reconciler(self.open_jobs, self.queue, plant.machine, self.abort, plant.commit_queue, clock)

    def run(self) -> Mapping[str, int]:
        self.letters.hidden = 0
        return Reconciliation(
            self.open_jobs,
            self.reconciler,
            UploadSweep(self.open_jobs, self.uploads, lambda: self.plant.now),
            DeadLetters(self.open_jobs, self.letters, lambda: self.plant.routes),
            UnusedLook(self.open_jobs, self.unused.append),
            ActionCheck(MemoryAfterStore(self.plant.jobs), lambda: self.plant.now),
        )(ManualDeadline(100.0))

    def job(self, source: Source) -> Job:
        route = self.plant.routes.find(source.bucket, source.key)
        assert route
        return Job(source, route, destination_of(route, source))

    def killed(self, source: Source, *, memory: int = 0, at: float = 1.0) -> Claim:
        """An attempt that sends one heartbeat and no more."""
        claim = self.plant.jobs.claim(self.job(source), lease=60, seconds=900, memory=128 * MIB)
        assert isinstance(claim, Claim)
        self.plant.now += at
        self.plant.jobs.heartbeat(claim, Progress(bytes_in=100), lease=60, memory=memory)
        return claim

    def upload(self, key: str = "data.csv.gz") -> Source:
        return self.plant.upload(key, gzip.compress(TEXT))

    def deliver(self) -> Outcome:
        """Ingest handles the event that was sent last."""
        (message,) = read_event(
            {"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": self.queue.events.pop()}]}
        )
        return self.plant.ingest(message.sources[0], job_id=message.job_id)

    def status(self, source: Source) -> JobStatus:
        return self.plant.jobs.jobs[self.job(source).id]

    def failure(self, source: Source) -> Failure:
        failure = self.status(source).failure
        assert failure
        return failure

    def pass_time(self, seconds: float) -> None:
        self.plant.now += seconds


@pytest.fixture
def site() -> Site:
    return Site()


def test_nothing_to_do_is_nothing_done(site: Site) -> None:
    assert not any(site.run().values())


def test_a_killed_invocation_is_retried_after_its_lease_not_after_the_visibility_timeout(site: Site) -> None:
    source = site.upload()
    site.killed(source)
    site.pass_time(59)
    assert site.run()["restarted"] == 0
    site.pass_time(1)
    assert site.run()["restarted"] == 1
    assert site.deliver().state is JobState.SUCCEEDED
    assert (site.status(source).attempts, site.plant.store.uploads) == (2, {})


def test_a_running_job_is_not_changed(site: Site) -> None:
    source = site.upload()
    claim = site.killed(source)
    for _ in range(20):
        site.pass_time(50)
        site.plant.jobs.heartbeat(claim, Progress(bytes_in=100), lease=60)
        assert site.run()["restarted"] == 0
    assert site.status(source).state is JobState.RUNNING


@pytest.mark.parametrize(
    ("memory", "at", "said"),
    [
        (120 * MIB, 1.0, "most likely out of memory (120 of 128 MB"),
        (20 * MIB, 1.0, "by a crash, or out of memory (20 of 128 MB"),
        (0, 1.0, "before its first heartbeat"),
        (20 * MIB, 895.0, "by its timeout"),
    ],
)
def test_a_job_that_is_killed_every_time_fails_with_the_cause(site: Site, memory: int, at: float, said: str) -> None:
    source = site.upload()
    for number in range(1, MAX_ATTEMPTS + 1):
        claim = site.killed(source, memory=memory, at=at)
        assert claim.number == number
        site.plant.jobs.record_upload(claim, site.plant.store.create_upload(Target("out", "data.csv")))
        site.pass_time(900)
        restarted = site.run()["restarted"]
        assert restarted == (number < MAX_ATTEMPTS)
    assert site.status(source).state is JobState.FAILED
    failure = site.failure(source)
    assert failure.error == "AttemptsExhaustedError"
    for part in ("killed 5 times", said, "at byte 100 of "):
        assert part in failure.message
    assert site.plant.store.uploads == {}


def test_attempts_that_are_exhausted_wait_for_the_last_invocation_to_be_over(site: Site) -> None:
    source = site.upload()
    for _ in range(MAX_ATTEMPTS):
        site.killed(source)
        site.pass_time(60)
        site.run()
    assert site.status(source).state is JobState.RUNNING
    assert site.asked == []
    site.pass_time(900)
    site.run()
    assert site.status(source).state is JobState.FAILED


def test_a_job_whose_message_is_lost_is_restarted(site: Site) -> None:
    source = site.upload()
    claim = site.killed(source)
    site.plant.jobs.release(claim, Failure("ServiceUnavailableError", "SlowDown", ""))
    site.pass_time(WAITING_SECONDS)
    assert site.run()["restarted"] == 1
    assert site.deliver().state is JobState.SUCCEEDED


def test_a_job_that_failed_retryably_every_time_fails_with_what_it_met(site: Site) -> None:
    source = site.upload()
    for _ in range(MAX_ATTEMPTS):
        claim = site.killed(source)
        site.plant.jobs.release(claim, Failure("ServiceUnavailableError", "SlowDown", "wait"))
    site.pass_time(WAITING_SECONDS)
    site.run()
    assert site.status(source).state is JobState.FAILED
    failure = site.failure(source)
    assert (failure.error, "SlowDown" in failure.message) == ("ServiceUnavailableError", True)


def test_unclaimed_events_end_a_job_eventually(site: Site) -> None:
    source = site.upload()
    site.plant.jobs.release(site.killed(source), Failure("ServiceUnavailableError", "SlowDown", ""))
    for _ in range(SENDS):
        site.pass_time(5 * 3600.0)
        site.run()
    assert (len(site.queue.events), site.status(source).state) == (SENDS, JobState.WAITING)
    site.pass_time(5 * 3600.0)
    site.run()
    assert site.status(source).state is JobState.FAILED


def test_a_result_that_was_published_is_a_success_whatever_came_after(site: Site) -> None:
    source = site.upload()
    dead = site.killed(source)
    site.pass_time(60)
    site.plant.ingest(source)
    # The record of the moment before, as if the end could not be recorded.
    again = replace(
        site.status(source), state=JobState.RUNNING, attempts=MAX_ATTEMPTS, holder=dead.attempt, lease_until=0.0
    )
    site.plant.jobs.jobs[again.job_id] = again
    site.plant.jobs.dues[again.job_id] = 0.0
    site.pass_time(900)
    site.run()
    assert site.status(source).state is JobState.SUCCEEDED


def test_the_original_message_comes_back_as_well(site: Site) -> None:
    source = site.upload()
    site.killed(source)
    site.pass_time(60)
    site.run()
    assert site.plant.ingest(source).state is JobState.SUCCEEDED
    again = site.deliver()
    assert (again.state, again.repeat) == (JobState.SUCCEEDED, True)
    assert site.status(source).attempts == 2


def test_two_concurrent_reconcilers_restart_once(site: Site) -> None:
    source = site.upload()
    site.killed(source)
    site.pass_time(60)
    both = list(site.open_jobs.due(10))
    first, second = site.reconciler, site.reconciler
    assert [first._look(status) for status in both] == ["restarted"]
    assert [second._look(status) for status in both] == ["left"]
    assert len(site.queue.events) == 1


def test_a_run_restarts_a_limited_number_and_the_next_run_the_rest(site: Site) -> None:
    sources = [site.upload(f"{number}.csv.gz") for number in range(RESTARTS + 30)]
    for source in sources:
        assert isinstance(site.plant.jobs.claim(site.job(source), lease=60), Claim)
    site.pass_time(60)
    assert site.run()["restarted"] == RESTARTS
    assert site.run()["restarted"] == 30
    assert site.run()["restarted"] == 0


def test_a_job_without_its_event_fails(site: Site) -> None:
    source = site.upload()
    claim = site.killed(source)
    site.plant.jobs.change(claim.job_id, upload=None)
    site.pass_time(960)
    site.run()
    assert site.status(source).state is JobState.FAILED


def handed_over(site: Site, source: Source) -> str:
    site.plant.large_bytes = 1
    outcome = site.plant.ingest(source)
    assert outcome.state is JobState.EXECUTING
    return outcome.job_id


def test_a_handover_that_never_started_is_retried(site: Site) -> None:
    source = site.upload()
    job_id = handed_over(site, source)
    del site.plant.machine.started[job_id]
    site.pass_time(60)
    assert site.run()["restarted"] == 1
    assert site.deliver().state is JobState.EXECUTING
    assert site.plant.execute(job_id)


def test_a_running_execution_is_not_changed(site: Site) -> None:
    source = site.upload()
    job_id = handed_over(site, source)
    site.plant.planner(job_id, job_id, ManualDeadline(900.0))
    for _ in range(5):
        site.pass_time(EXECUTING_SECONDS)
        assert site.run()["left"] == 1
    assert site.status(source).state is JobState.EXECUTING


@pytest.mark.parametrize("files", ["all", "none"])
def test_a_lost_event_of_an_executions_end_and_lost_files_leave_nothing(site: Site, files: str) -> None:
    source = site.plant.upload("data.csv", TEXT)
    job_id = handed_over(site, source)
    site.plant.planner(job_id, job_id, ManualDeadline(900.0))
    assert site.plant.store.uploads
    site.plant.machine.results[job_id] = Execution("TIMED_OUT")
    if files == "none":
        site.plant.files.files.clear()
    site.pass_time(EXECUTING_SECONDS)
    assert site.run()["aborted"] == 1
    assert (site.status(source).state, site.plant.store.uploads) == (JobState.FAILED, {})
    assert "TIMED_OUT" in site.failure(source).message


def test_an_execution_that_was_stopped_says_so(site: Site) -> None:
    source = site.plant.upload("data.csv", TEXT)
    job_id = handed_over(site, source)
    site.plant.machine.results[job_id] = Execution("ABORTED")
    site.pass_time(EXECUTING_SECONDS)
    site.run()
    assert site.failure(source).message == f"execution {job_id} was stopped by a user"


def test_an_unknown_execution_is_aborted(site: Site) -> None:
    source = site.plant.upload("data.csv", TEXT)
    job_id = handed_over(site, source)
    site.plant.planner(job_id, job_id, ManualDeadline(900.0))
    site.plant.machine.started.clear()
    site.pass_time(EXECUTING_SECONDS)
    site.run()
    assert (site.status(source).state, site.plant.store.uploads) == (JobState.FAILED, {})


def test_a_step_that_was_noted_is_what_the_job_failed_of(site: Site) -> None:
    source = site.plant.upload("data.csv", TEXT)
    job_id = handed_over(site, source)
    site.plant.planner(job_id, job_id, ManualDeadline(900.0))
    cause = json.dumps({"errorType": "AccessDeniedError", "errorMessage": "s3:PutObject on out"})
    site.plant.machine.results[job_id] = Execution("FAILED", "AccessDeniedError", cause)
    site.pass_time(EXECUTING_SECONDS)
    site.run()
    assert site.failure(source) == Failure("AccessDeniedError", "s3:PutObject on out", AccessDeniedError.default_hint)


def test_an_abort_that_keeps_failing_ends_the_job_and_says_what_is_left(site: Site) -> None:
    source = site.plant.upload("data.csv", TEXT)
    job_id = handed_over(site, source)
    site.plant.planner(job_id, job_id, ManualDeadline(900.0))
    (upload_id,) = site.plant.store.uploads
    site.plant.machine.results[job_id] = Execution("FAILED", "AccessDeniedError", "no right")
    site.deaf = True
    for _ in range(ABORTS):
        site.pass_time(EXECUTING_SECONDS * 2)
        assert site.run()["aborted"] == 1
    site.pass_time(EXECUTING_SECONDS * 2)
    assert site.run()["ended"] == 1
    assert site.status(source).state is JobState.FAILED
    failure = site.failure(source)
    for part in ("no right", "`abort` failed 5 times", f"multipart upload {upload_id} to s3://out/data.csv"):
        assert part in failure.message
    site.pass_time(3600)
    assert site.run()["uploads"] == 1
    assert site.plant.store.uploads == {}


def test_a_job_that_cannot_be_read_does_not_delay_the_others(site: Site) -> None:
    first, second = site.upload("1.csv.gz"), site.upload("2.csv.gz")
    handed_over(site, first)
    site.killed(second)

    def fail(execution: str) -> Any:
        raise ServiceUnavailableError(f"states:DescribeExecution on {execution}")

    site.plant.machine.describe = fail  # type: ignore[method-assign]  # Step Functions is unavailable
    site.pass_time(61)
    with pytest.raises(ServiceUnavailableError):
        site.run()
    assert len(site.queue.events) == 1


# Unrecorded uploads


def test_an_upload_orphaned_before_it_was_noted_is_ended_within_the_hour(site: Site) -> None:
    site.run()
    site.pass_time(OLD_SECONDS)
    site.plant.store.create_upload(Target("out", "orphan"))
    site.pass_time(60)
    site.run()
    assert site.plant.store.uploads
    site.pass_time(3600)
    assert site.run()["uploads"] == 1
    assert site.plant.store.uploads == {}


def test_an_upload_that_names_an_unfinished_job_stays_until_that_has_ended(site: Site) -> None:
    """As those of Parquet files do: a span that is done is completed by the next attempt at it."""
    source = site.upload()
    claim = site.killed(source)
    site.plant.store.create_upload(Target("out", f"orders/{claim.job_id}-00000-000.parquet"))
    site.run()
    site.pass_time(3600)
    assert site.run()["uploads"] == 0
    del site.plant.jobs.jobs[claim.job_id]
    site.pass_time(3600)
    assert site.run()["uploads"] == 1


def test_an_upload_of_a_running_job_stays_and_one_of_a_deleted_record_is_aborted(site: Site) -> None:
    source = site.plant.upload("data.csv", TEXT)
    job_id = handed_over(site, source)
    site.plant.planner(job_id, job_id, ManualDeadline(900.0))
    assert site.run()["uploads"] == 0
    del site.plant.jobs.jobs[job_id]
    site.pass_time(3600)
    assert site.run()["uploads"] == 1
    assert site.plant.store.uploads == {}


def test_an_upload_that_an_earlier_penstock_began_without_a_note_stays(site: Site) -> None:
    site.plant.store.create_upload(Target("out", "of an execution that goes on"))
    site.uploads.age = 5_000.0
    assert site.run()["uploads"] == 0
    site.pass_time(3600)
    site.uploads.age += 3600
    assert site.run()["uploads"] == 0


def test_a_young_upload_stays(site: Site) -> None:
    site.plant.store.create_upload(Target("out", "young"))
    site.uploads.age = OLD_SECONDS - 1
    assert site.run()["uploads"] == 0


def test_the_upload_of_a_deleted_record_is_ended_by_abort_where_files_name_it(site: Site) -> None:
    source = site.plant.upload("data.csv", TEXT)
    job_id = handed_over(site, source)
    site.plant.planner(job_id, job_id, ManualDeadline(900.0))
    del site.plant.jobs.jobs[job_id]
    assert site.plant.aborter(job_id, job_id, {"Error": "States.Timeout", "Cause": ""})["state"] == "unknown"
    assert site.plant.store.uploads == {}


# Dead letters


def test_a_message_that_died_unclaimed_is_recorded_and_stays_until_its_job_succeeds(site: Site) -> None:
    source = site.upload()
    site.letters.bodies = [notification(source)]
    assert site.run()["recorded"] == 1
    assert (site.status(source).state, len(site.letters.bodies)) == (JobState.FAILED, 1)
    assert site.plant.jobs.reopen(site.status(source))
    site.plant.ingest(source)
    site.pass_time(3600)
    assert site.run()["deleted"] == 1
    assert site.letters.bodies == []


def test_a_message_whose_job_is_on_record_changes_nothing(site: Site) -> None:
    source = site.upload()
    site.killed(source)
    site.letters.bodies = [notification(source)]
    done = site.run()
    assert (done["recorded"], done["deleted"], len(site.letters.bodies)) == (0, 0, 1)


def test_a_message_that_names_its_job_makes_no_other_where_the_route_has_changed(site: Site) -> None:
    source = site.upload()
    job = site.killed(source)
    site.letters.bodies = [notification(source, job_id=job.job_id)]
    site.plant.routes_text = BUCKET.replace("{stem}", "new/{stem}")
    done = site.run()
    assert (done["recorded"], done["deleted"], list(site.plant.jobs.jobs)) == (0, 0, [job.job_id])
    site.plant.jobs.change(job.job_id, state=JobState.SUPERSEDED)
    site.pass_time(3600)
    assert site.run()["deleted"] == 1


def test_a_message_that_names_a_job_without_record_is_recorded(site: Site) -> None:
    source = site.upload()
    site.letters.bodies = [notification(source, job_id=site.job(source).id)]
    assert site.run()["recorded"] == 1


def test_a_dead_letter_of_abort_is_deleted_after_its_job_has_ended(site: Site) -> None:
    source = site.upload()
    job_id = handed_over(site, source)
    site.letters.bodies = [json.dumps({"requestPayload": {"job": job_id, "attempt": job_id, "error": {}}})]
    assert site.run()["deleted"] == 0
    site.plant.execute(job_id)
    site.pass_time(3600)
    assert site.run()["deleted"] == 1


@pytest.mark.parametrize("body", ["no JSON", "[]", '{"Records": []}', '"x"', "null"])
def test_a_foreign_message_stays(site: Site, body: str) -> None:
    site.letters.bodies = [body]
    site.run()
    assert site.letters.bodies == [body]


def test_many_messages_are_read_page_by_page(site: Site) -> None:
    sources = [site.upload(f"{number}.csv.gz") for number in range(45)]
    site.letters.bodies = [notification(source) for source in sources]
    assert site.run()["recorded"] == 45


# Routes that have changed


def test_a_job_whose_route_has_changed_ends_superseded_and_names_the_new_one(site: Site) -> None:
    source = site.upload()
    old = site.killed(source)
    site.pass_time(60)
    site.run()
    site.plant.routes_text = BUCKET.replace("{stem}", "new/{stem}")
    outcome = site.deliver()
    assert (outcome.state, outcome.job_id != old.job_id) == (JobState.SUCCEEDED, True)
    status = site.plant.jobs.jobs[old.job_id]
    assert status.state is JobState.SUPERSEDED
    assert status.failure
    assert outcome.job_id in status.failure.message


def test_a_job_whose_route_was_removed_ends_superseded(site: Site) -> None:
    source = site.upload()
    old = site.killed(source)
    site.pass_time(60)
    site.run()
    site.plant.routes_text = BUCKET.replace('"*"', '"other"')
    assert site.deliver().state is JobState.SKIPPED
    assert site.plant.jobs.jobs[old.job_id].state is JobState.SUPERSEDED


class TestAJobThatYields:
    """A job that yields to a newer version of its source."""

    @pytest.fixture
    def versions(self, site: Site) -> tuple[Source, Source]:
        """The older one waits for the newer one, which is running."""
        older, newer = site.upload(), site.upload()
        site.newer = site.plant.jobs.claim(site.job(newer), lease=900)
        assert site.plant.ingest(older).state is JobState.WAITING
        return older, newer

    def test_is_checked_every_minute_and_not_changed(self, site: Site, versions: tuple[Source, Source]) -> None:
        for _ in range(3):
            site.pass_time(YIELDING_SECONDS + 1)
            site.run()
        assert (site.status(versions[0]).state, site.queue.events) == (JobState.WAITING, [])

    def test_is_retried_and_published_after_the_newer_one_has_failed(
        self, site: Site, versions: tuple[Source, Source]
    ) -> None:
        assert isinstance(site.newer, Claim)
        site.plant.jobs.close(site.newer, JobState.FAILED, failure=Failure("CorruptSourceError", "bad", ""))
        site.pass_time(YIELDING_SECONDS + 1)
        site.run()
        assert site.deliver().state is JobState.SUCCEEDED
        stored = site.plant.store.get("out", "data.csv")
        assert stored
        assert stored.data == TEXT
        status = site.status(versions[0])
        assert status.attempts_limit - status.attempts == MAX_ATTEMPTS - 1

    def test_is_superseded_once_the_newer_one_has_succeeded(self, site: Site, versions: tuple[Source, Source]) -> None:
        assert isinstance(site.newer, Claim)
        site.plant.jobs.close(site.newer, JobState.SUCCEEDED)
        site.pass_time(YIELDING_SECONDS + 1)
        site.run()
        assert (site.status(versions[0]).state, site.queue.events) == (JobState.SUPERSEDED, [])


def test_an_attempt_finds_what_an_earlier_one_has_published_before_it_can_fail(site: Site) -> None:
    """Found by ``python -m faults --seed 777073``."""
    source = site.upload()
    assert site.plant.ingest(source).state is JobState.SUCCEEDED
    status = site.status(source)
    # The attempt was killed before it could record that, and the source is gone.
    running = replace(status, state=JobState.RUNNING, lease_until=0.0, finished_at=0.0)
    site.plant.jobs.jobs[status.job_id] = running
    left = site.plant.store.create_upload(Target("out", "data.csv"))
    site.plant.store.erase(source)
    outcome = site.plant.ingest(source)
    assert outcome.state is JobState.SUCCEEDED
    assert outcome.receipt
    assert (outcome.receipt.bytes_out, outcome.receipt.codec) == (len(TEXT), "gzip")
    assert left not in site.plant.store.uploads


def test_an_upload_that_a_success_could_not_end_is_ended_by_the_sweep(site: Site) -> None:
    """Found by ``python -m faults --seed 424290``."""
    site.run()
    site.pass_time(3600)
    source = site.upload()
    claim = site.killed(source)
    site.plant.jobs.record_upload(claim, left := site.plant.store.create_upload(Target("out", "data.csv")))
    site.pass_time(60)
    sweep, site.plant.store.sweep = site.plant.store.sweep, lambda target: None  # type: ignore[method-assign]  # fails
    assert site.plant.ingest(source).state is JobState.SUCCEEDED
    site.plant.store.sweep = sweep  # type: ignore[method-assign]  # as it was
    assert left in site.plant.store.uploads
    site.pass_time(OLD_SECONDS)
    assert site.run()["uploads"] == 1
    assert site.plant.store.uploads == {}


def test_ingest_notes_its_upload_so_that_abort_ends_it_by_its_id(site: Site) -> None:
    """The attempt is killed during its upload, and no message returns to the queue."""
    source, store = site.plant.upload("data.csv", TEXT), site.plant.store

    def killed(upload_id: str, data: bytes) -> None:
        raise StepKilledError("in the middle of a part")

    exit_, MemoryBucketSink.__exit__ = MemoryBucketSink.__exit__, lambda *given: None  # type: ignore[method-assign]  # killed attempts do not clean up
    send, store.upload_part = store.upload_part, killed  # type: ignore[method-assign]
    try:
        with pytest.raises(StepKilledError):
            site.plant.ingest(source)
    finally:
        MemoryBucketSink.__exit__, store.upload_part = exit_, send  # type: ignore[method-assign]
    (upload_id,) = store.uploads
    assert site.status(source).uploads == (upload_id,)
    site.plant.jobs.change(site.job(source).id, attempts=MAX_ATTEMPTS)
    site.pass_time(900)
    site.run()
    assert site.status(source).state is JobState.FAILED
    assert store.uploads == {}


def test_an_attempt_that_has_lost_its_job_sends_no_part(site: Site) -> None:
    source, store = site.plant.upload("data.csv", TEXT), site.plant.store
    create = store.create_upload

    def taken_over(target: Target) -> str:
        site.pass_time(61)
        assert isinstance(site.plant.jobs.claim(site.job(source), lease=60), Claim)
        return create(target)

    store.create_upload = taken_over  # type: ignore[method-assign]
    outcome = site.plant.ingest(source)
    assert isinstance(outcome.retry, LeaseLostError)
    assert store.uploads == {}


def test_a_note_on_jobs_that_were_not_announced_stays_for_whoever_reads_it(site: Site) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    info = {
        "shardId": "shardId-00000001573689847184-864758bb",
        "startSequenceNumber": "800000000003126276362",
        "endSequenceNumber": "800000000003126276362",
        "approximateArrivalOfFirstRecord": "2026-11-21T08:30:00Z",
        "approximateArrivalOfLastRecord": "2026-11-21T08:30:00Z",
        "batchSize": 1,
        "streamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/jobs/stream/2026-11-21T00:00:00.000",
    }
    context = {
        "requestId": "r",
        "functionArn": "announce",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 1,
    }
    note = {
        "requestContext": context,
        "version": "1.0",
        "timestamp": "2026-11-21T09:30:00Z",
        "DDBStreamBatchInfo": info,
    }
    site.letters.bodies = [json.dumps(note)]
    done = site.run()
    assert (done["recorded"], done["deleted"], site.plant.jobs.jobs) == (0, 0, {})
    assert len(site.letters.bodies) == 1
