"""What a person does with jobs: finding the one that is meant, beginning it again, watching it, telling its story."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_reports import BEGAN, spans, succeeded
from penstock.aws.abort_function import AbortFunction
from penstock.errors import ConfigurationError, JobStandsError, UnknownJobError
from penstock.jobs.events import notification, read_event
from penstock.large_jobs.job_files import REPORT, JobFolder
from penstock.model.job import Claim, Failure, Job, Progress, Receipt
from penstock.model.job_status import Execution, JobState, JobStatus
from penstock.model.object import Source, Target
from penstock.model.record import RecordPosition, Reject
from penstock.model.route import Route
from penstock.model.serialization import to_plain
from penstock.model.span import SpanReceipt
from penstock.operations.awaiting import JobWaiter
from penstock.operations.finding import find, newest
from penstock.operations.job_report import JobReportBuilder, timeline
from penstock.operations.redriving import Redriver
from penstock.operations.watching import JobWatcher, follow
from penstock.testing import (
    MemoryEventQueue,
    MemoryExecutionStore,
    MemoryJobStore,
    MemoryJobTimes,
    MemoryRejectLog,
    MemoryStateMachine,
    MemoryWorkFiles,
)

ROUTE = Route("decompress", ("*",), "s3://lake/{stem}")
FAILURE = Failure("AccessDeniedError", "denied", "grant it")
RECEIPT = Receipt(bytes_in=100, bytes_out=500, crc32=1, parts=1, codec="gzip")


class Plant:
    def __init__(self) -> None:
        self.now = BEGAN
        self.jobs = MemoryJobStore(lambda: self.now)
        self.queue = MemoryEventQueue()
        self.machine = MemoryStateMachine()
        self.aborted: list[str] = []
        self.found = JobState.FAILED

    def begin(self, key: str, version: str = "v1") -> tuple[Job, Claim]:
        self.now += 1
        source = Source("drops", key, 100, f"e-{version}", version, f"0A{version[1:]:0>2}", "2026-11-22T02:00:00.000Z")
        job = Job(source, ROUTE, Target("lake", key))
        claim = self.jobs.claim(job, lease=60)
        assert isinstance(claim, Claim)
        return job, claim

    def end(self, key: str, state: JobState, version: str = "v1") -> Job:
        job, claim = self.begin(key, version)
        failure = None if state is JobState.SUCCEEDED else FAILURE
        receipt = RECEIPT if state is JobState.SUCCEEDED else None
        self.jobs.close(claim, state, receipt=receipt, failure=failure)
        return job

    @property
    def redriver(self) -> Redriver:
        return Redriver(self.jobs, self.queue, self.machine, self.abort, self.jobs.clock)

    def abort(self, job_id: str, execution: str, error: object) -> None:
        self.aborted.append(execution)
        self.jobs.end(job_id, self.found, receipt=None, failure=FAILURE if self.found is JobState.FAILED else None)

    def redrive(self, job: Job) -> Source:
        status = self.jobs.get(job.id)
        assert status
        return self.redriver(status)


@pytest.fixture
def plant() -> Plant:
    return Plant()


def test_the_newest_jobs_come_first_and_no_more_than_are_asked_for(plant: Plant) -> None:
    jobs = [plant.end(f"{n}.gz", JobState.SUCCEEDED if n % 2 else JobState.FAILED) for n in range(6)]
    assert [one.job_id for one in newest(plant.jobs, limit=4)] == [job.id for job in reversed(jobs[2:])]
    failed = newest(plant.jobs, limit=10, states=[JobState.FAILED])
    assert [one.job_id for one in failed] == [jobs[4].id, jobs[2].id, jobs[0].id]


def test_a_job_is_found_by_its_id_by_a_prefix_of_it_and_by_its_source(plant: Plant) -> None:
    jobs = [plant.end(f"{n}.gz", JobState.FAILED) for n in range(3)]
    for job in jobs:
        for name in (job.id, job.id[:31], job.id[:12], job.source.uri):
            assert find(plant.jobs, name).job_id == job.id


def test_of_a_source_the_newest_job_is_meant(plant: Plant) -> None:
    plant.end("a.gz", JobState.FAILED, "v1")
    newer = plant.end("a.gz", JobState.FAILED, "v2")
    assert find(plant.jobs, "s3://drops/a.gz").job_id == newer.id


@pytest.mark.parametrize("name", ["f" * 32, "fffffff", "s3://drops/no-such", "not-an-id", "", "F00"])
def test_a_name_of_no_job_is_refused_with_a_way_on(plant: Plant, name: str) -> None:
    with pytest.raises(UnknownJobError) as caught:
        find(plant.jobs, name)
    assert caught.value.hint


def test_a_prefix_of_several_jobs_names_some_of_them(plant: Plant) -> None:
    ids = sorted(plant.end(f"{n}.gz", JobState.FAILED).id for n in range(40))
    first = max("0123456789abcdef", key=lambda digit: sum(one.startswith(digit) for one in ids))
    meant = [one for one in ids if one.startswith(first)]
    with pytest.raises(UnknownJobError, match=f"{len(meant)} jobs begin with {first}: {meant[0]}"):
        find(plant.jobs, first)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)


@given(
    key=texts,
    version=st.sampled_from(["", "v.1_-"]),
    sequencer=st.sampled_from(["", "0055AED6DCD90281E5"]),
    time=st.sampled_from(["", "2026-11-22T02:00:00.000Z"]),
)
def test_the_event_that_is_sent_again_names_the_very_same_source(
    key: str, version: str, sequencer: str, time: str
) -> None:
    source = Source("drops", key, 12, "d41d8cd98f00b204e9800998ecf8427e-3", version, sequencer, time)
    batch = {"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": notification(source)}]}
    (message,) = read_event(batch)
    assert message.problem is None
    assert message.sources == (source,)


def test_a_failed_job_waits_and_its_event_is_sent(plant: Plant) -> None:
    job = plant.end("in/a b+c.gz", JobState.FAILED)
    assert plant.redrive(job) == job.source
    status = plant.jobs.jobs[job.id]
    assert (status.state, status.redrives) == (JobState.WAITING, 1)
    assert plant.queue.events == [notification(job.source, job_id=job.id)]
    claim = plant.jobs.claim(job, lease=60)
    assert isinstance(claim, Claim)
    assert claim.redrives == 1


def test_a_redrive_that_died_before_its_event_was_sent_is_made_good_by_another(plant: Plant) -> None:
    job = plant.end("a.gz", JobState.FAILED)
    plant.jobs.reopen(plant.jobs.jobs[job.id])
    plant.redrive(job)
    assert plant.jobs.jobs[job.id].redrives == 1
    assert plant.queue.events == [notification(job.source, job_id=job.id)]


@pytest.mark.parametrize(
    ("state", "said"), [(JobState.SUCCEEDED, "has succeeded"), (JobState.SUPERSEDED, "was superseded")]
)
def test_a_job_that_did_not_fail_is_refused(plant: Plant, state: JobState, said: str) -> None:
    job = plant.end("a.gz", state)
    with pytest.raises(JobStandsError, match=said):
        plant.redrive(job)
    assert plant.queue.events == []


def test_a_job_that_another_route_has_superseded_says_so_when_it_is_redriven(plant: Plant) -> None:
    job = plant.end("a.gz", JobState.FAILED)
    plant.jobs.reopen(plant.jobs.jobs[job.id])
    plant.jobs.supersede(job.id, "0a1b")
    with pytest.raises(JobStandsError, match=r"was superseded: the route of the source has changed.* job 0a1b"):
        plant.redrive(job)


def test_what_an_execution_left_cannot_be_cleaned_up_where_the_stack_names_no_abort() -> None:
    with pytest.raises(ConfigurationError, match="do not name its function `abort`"):
        AbortFunction(lambda: None, "", wait=True)("0a1b", "0a1b-2", {})


def test_a_refused_redrive_of_a_leased_job_says_when_its_lease_ends(plant: Plant) -> None:
    job, _ = plant.begin("a.gz")
    plant.jobs.jobs[job.id] = replace(plant.jobs.jobs[job.id], lease_until=4_102_444_800.0)
    with pytest.raises(JobStandsError, match="is running") as refused:
        plant.redrive(job)
    assert (
        refused.value.hint == "Its lease ends at 2100-01-01 00:00:00 UTC. If the job is still running then, redrive it."
    )


def test_a_running_a_carried_and_a_skipped_job_are_refused(plant: Plant) -> None:
    job, claim = plant.begin("a.gz")
    with pytest.raises(JobStandsError, match="is running"):
        plant.redrive(job)
    deliver(plant, job, claim)
    with pytest.raises(JobStandsError, match="is running"):
        plant.redrive(job)
    plant.jobs.skip(job.source)
    with pytest.raises(JobStandsError, match="matches no route"):
        plant.redriver(next(plant.jobs.search(states=[JobState.SKIPPED])))
    assert plant.queue.events == []


def deliver(plant: Plant, job: Job, claim: Claim) -> None:
    """The job is in the hands of an execution that runs."""
    executions = MemoryExecutionStore(plant.jobs)
    executions.hand_over(claim, job.id, lease=60)
    executions.confirm(job.id, job.id, lease=60)
    plant.machine.start(job.id, "{}")


def test_a_job_that_was_killed_begins_again_once_its_lease_is_over(plant: Plant) -> None:
    job, _ = plant.begin("a.gz")
    plant.now += 60
    plant.redrive(job)
    assert (plant.jobs.jobs[job.id].state, plant.jobs.jobs[job.id].redrives) == (JobState.WAITING, 1)
    assert plant.queue.events == [notification(job.source, job_id=job.id)]


@pytest.mark.parametrize("known", [True, False])
def test_a_job_whose_execution_ended_without_it_is_cleaned_up_and_begins_again(plant: Plant, *, known: bool) -> None:
    job, claim = plant.begin("a.gz")
    deliver(plant, job, claim)
    if known:
        plant.machine.results[job.id] = Execution("ABORTED")
    else:
        plant.machine.started.clear()
    plant.redrive(job)
    assert (plant.aborted, plant.jobs.jobs[job.id].state) == ([job.id], JobState.WAITING)
    assert len(plant.queue.events) == 1


def test_a_job_whose_execution_turns_out_to_have_succeeded_is_not_begun_again(plant: Plant) -> None:
    job, claim = plant.begin("a.gz")
    deliver(plant, job, claim)
    plant.machine.results[job.id] = Execution("TIMED_OUT")
    plant.found = JobState.SUCCEEDED
    with pytest.raises(JobStandsError, match="has succeeded"):
        plant.redrive(job)
    assert plant.queue.events == []


def test_a_dry_run_aborts_nothing(plant: Plant) -> None:
    job, claim = plant.begin("a.gz")
    deliver(plant, job, claim)
    plant.machine.results[job.id] = Execution("FAILED")
    assert plant.redriver.check(plant.jobs.jobs[job.id]) == job.source
    assert plant.aborted == []


def test_of_two_who_begin_a_job_again_at_once_one_is_told(plant: Plant) -> None:
    job = plant.end("a.gz", JobState.FAILED)
    seen = plant.jobs.jobs[job.id]
    plant.redriver(seen)
    with pytest.raises(JobStandsError, match="by another user"):
        plant.redriver(seen)
    assert len(plant.queue.events) == 1


def test_a_job_whose_event_is_not_on_record_is_refused(plant: Plant) -> None:
    job = plant.end("a.gz", JobState.FAILED)
    plant.jobs.jobs[job.id] = replace(plant.jobs.jobs[job.id], upload=None)
    with pytest.raises(JobStandsError) as caught:
        plant.redrive(job)
    assert "Upload" in caught.value.hint


def test_a_job_is_followed_to_its_end(plant: Plant) -> None:
    job, claim = plant.begin("a.gz")
    acts: list[Callable[[], None]] = [
        lambda: plant.jobs.heartbeat(claim, Progress(50, 200), lease=60),
        lambda: None,
        lambda: plant.jobs.close(claim, JobState.SUCCEEDED, receipt=RECEIPT),
    ]
    pauses = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        acts.pop(0)()

    seen = list(follow(plant.jobs, job.id, interval=2.5, sleep=sleep))
    assert [one.percent for one in seen] == [0, 50, 50, 100]
    assert pauses == [2.5, 2.5, 2.5]


def test_a_job_that_vanishes_while_it_is_followed_is_unknown(plant: Plant) -> None:
    with pytest.raises(UnknownJobError):
        list(follow(plant.jobs, "gone", interval=1))


def watch_of(plant: Plant, *, rescan: float = 0, clock: Callable[[], float] = lambda: 0.0) -> JobWatcher:
    return JobWatcher(plant.jobs, MemoryJobTimes(plant.jobs), rescan, clock, lambda: plant.now)


def test_all_open_jobs_are_watched_and_those_that_end_are_shown_once_more(plant: Plant) -> None:
    plant.end("before.gz", JobState.FAILED)
    first, claim = plant.begin("first.gz")
    seconds = 0.0
    watch = watch_of(plant, rescan=10, clock=lambda: seconds)
    assert [one.job_id for one in watch.look()] == [first.id]
    second, _ = plant.begin("second.gz")
    seconds = 9.0
    assert [one.job_id for one in watch.look()] == [first.id]
    seconds = 10.0
    assert [one.job_id for one in watch.look()] == [first.id, second.id]
    plant.jobs.close(claim, JobState.SUCCEEDED, receipt=RECEIPT)
    assert [(one.job_id, one.state.final) for one in watch.look()] == [(first.id, True), (second.id, False)]
    assert [one.job_id for one in watch.look()] == [second.id]


def test_a_job_that_ends_between_two_looks_is_shown_once_more(plant: Plant) -> None:
    job, claim = plant.begin("a.gz")
    watch = watch_of(plant)
    watch.look()
    plant.jobs.close(claim, JobState.FAILED, failure=FAILURE)
    assert [(one.job_id, one.state) for one in watch.look()] == [(job.id, JobState.FAILED)]
    assert watch.look() == []


def test_a_job_that_begins_and_ends_between_two_looks_is_shown_once(plant: Plant) -> None:
    watch = watch_of(plant)
    assert watch.look() == []
    short = [plant.end(f"{number}.gz", JobState.SUCCEEDED) for number in range(20)]
    assert [one.job_id for one in watch.look()] == [job.id for job in short]
    assert watch.look() == []


def test_a_job_that_is_begun_again_and_ends_again_is_shown_again(plant: Plant) -> None:
    watch = watch_of(plant)
    watch.look()
    job = plant.end("a.gz", JobState.FAILED)
    assert [one.state for one in watch.look()] == [JobState.FAILED]
    plant.redrive(job)
    plant.now += 1
    claim = plant.jobs.claim(job, lease=60)
    assert isinstance(claim, Claim)
    plant.jobs.close(claim, JobState.SUCCEEDED, receipt=RECEIPT)
    assert [one.state for one in watch.look()] == [JobState.SUCCEEDED]
    assert watch.look() == []


class Arriving:
    """Whoever waits for the job of a version: what happens meanwhile, second by second."""

    def __init__(self, plant: Plant, source: Source) -> None:
        self.acts: list[Callable[[], object]] = []
        self.waits = 0
        self.seconds = 0.0
        self._plant = plant
        times = MemoryJobTimes(plant.jobs)
        self._awaiting = JobWaiter(plant.jobs, times, source, lambda: self.seconds, lambda: plant.now, self._sleep)

    def __call__(self) -> JobStatus:
        return self._awaiting(interval=1, on_wait=self._wait)

    def _wait(self) -> None:
        self.waits += 1

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self._plant.now += seconds
        if self.acts:
            self.acts.pop(0)()


def version(number: int, key: str = "a.gz") -> Source:
    return Source("drops", key, 100, f"e-v{number}", f"v{number}")


def test_the_job_of_the_version_that_stands_there_is_found_at_once(plant: Plant) -> None:
    jobs = [plant.end("a.gz", JobState.SUCCEEDED, f"v{number}") for number in (1, 2, 3)]
    plant.now += 1e6
    arriving = Arriving(plant, version(2))
    assert (arriving().job_id, arriving.waits) == (jobs[1].id, 0)


def test_the_job_of_a_version_is_waited_for_and_no_older_one_is_taken_for_it(plant: Plant) -> None:
    plant.end("a.gz", JobState.SUCCEEDED, "v1")
    arriving = Arriving(plant, version(2))
    arriving.acts = [lambda: None, lambda: plant.end("b.gz", JobState.FAILED, "v2"), lambda: None]
    arriving.acts.append(lambda: plant.end("a.gz", JobState.SUCCEEDED, "v2"))
    found = arriving()
    assert found.upload
    assert (found.upload.version_id, arriving.waits, arriving.seconds) == ("v2", 1, 4)


def test_where_no_job_of_the_version_comes_within_a_minute_it_is_said(plant: Plant) -> None:
    plant.end("a.gz", JobState.SUCCEEDED, "v1")
    arriving = Arriving(plant, version(2))
    with pytest.raises(UnknownJobError, match=r"no job of s3://drops/a.gz appeared within 60 seconds, version v2"):
        arriving()
    assert arriving.seconds == 60


@pytest.mark.parametrize("unversioned", ["", "null"])
def test_without_versions_it_is_the_etag_that_tells_them_apart(plant: Plant, unversioned: str) -> None:
    older = Job(Source("drops", "a.gz", 100, "e1", unversioned, "0A01"), ROUTE, Target("lake", "a"))
    claim = plant.jobs.claim(older, lease=60)
    assert isinstance(claim, Claim)
    assert Arriving(plant, Source("drops", "a.gz", 100, "e1"))().job_id == older.id
    for other in (Source("drops", "a.gz", 100, "e2", "null"), Source("drops", "a.gz", 100, "e1", "v7")):
        with pytest.raises(UnknownJobError):
            Arriving(plant, other)()


class Told:
    """A job that an execution carries, and what its story is collected from."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.job, claim = plant.begin("a.gz")
        self.executions = MemoryExecutionStore(plant.jobs)
        self.files = MemoryWorkFiles()
        self.rejects = MemoryRejectLog()
        self.executions.hand_over(claim, self.job.id, lease=60)
        self.executions.confirm(self.job.id, self.job.id, lease=60)
        self.executions.record_totals(self.job.id, self.job.id, spans=3, size=100)
        for span in (3, 1):
            self.executions.record_receipt(
                self.job.id, self.job.id, SpanReceipt(span, 10, 50, began=BEGAN + span, seconds=1)
            )

    def teller(self) -> JobReportBuilder:
        return JobReportBuilder(self.files, self.executions.jobs, self.executions, self.rejects)

    def report(self, execution: str) -> None:
        told = {
            "execution": execution,
            "receipt": to_plain(RECEIPT),
            "spans": [to_plain(SpanReceipt(n, 1, 2, began=BEGAN)) for n in (1, 2, 3)],
        }
        JobFolder(self.files, self.job.id).put(REPORT, told)


def test_a_job_at_work_is_told_by_the_receipts_that_there_are(plant: Plant) -> None:
    told = Told(plant)
    job_report = told.teller()(plant.jobs.jobs[told.job.id], sample=5)
    assert [span.span for span in job_report.spans] == [1, 3]
    assert job_report.receipt is None


def test_a_job_that_was_published_is_told_by_its_report(plant: Plant) -> None:
    told = Told(plant)
    told.report(told.job.id)
    job_report = told.teller()(plant.jobs.jobs[told.job.id], sample=5)
    assert [span.span for span in job_report.spans] == [1, 2, 3]
    assert job_report.receipt == RECEIPT


def test_the_report_of_an_earlier_execution_is_not_this_ones(plant: Plant) -> None:
    told = Told(plant)
    told.report("another")
    job_report = told.teller()(plant.jobs.jobs[told.job.id], sample=5)
    assert [span.span for span in job_report.spans] == [1, 3]


def test_a_job_done_in_one_invocation_has_no_spans(plant: Plant) -> None:
    job = plant.end("whole.gz", JobState.SUCCEEDED)
    job_report = Told(plant).teller()(plant.jobs.jobs[job.id], sample=5)
    assert (job_report.spans, job_report.receipt, job_report.rejects) == ((), None, ())


def test_of_the_rejects_the_first_are_told(plant: Plant) -> None:
    told = Told(plant)
    for chunk in (1, 0):
        kept = [Reject(RecordPosition(chunk * 10 + n, 0, "raw"), "bad") for n in range(10)]
        told.rejects.write(told.job.id, f"00001-{chunk:06d}", kept)
    job_report = told.teller()(plant.jobs.jobs[told.job.id], sample=12)
    assert [reject.position.row for reject in job_report.rejects] == list(range(12))


def test_a_timeline_has_as_many_lanes_as_there_were_spans_at_once() -> None:
    bars = timeline(spans(count=40, workers=7))
    assert {bar.lane for bar in bars} == set(range(7))
    assert bars[0].begin == 0


@given(
    st.lists(
        st.tuples(st.floats(BEGAN, BEGAN + 1000, allow_nan=False), st.floats(0, 100, allow_nan=False)), max_size=30
    )
)
def test_no_two_spans_of_a_lane_overlap_and_none_is_lost(times: list[tuple[float, float]]) -> None:
    given_spans = [SpanReceipt(n, 1, 1, began=began, seconds=seconds) for n, (began, seconds) in enumerate(times)]
    bars = timeline(given_spans)
    assert sorted(bar.span.span for bar in bars) == list(range(len(times)))
    for lane in {bar.lane for bar in bars}:
        mine = [bar.span for bar in bars if bar.lane == lane]
        assert all(one.began + one.seconds <= other.began for one, other in pairwise(mine))


def test_spans_without_a_time_are_on_no_timeline() -> None:
    assert timeline([replace(span, began=0.0) for span in succeeded().spans]) == ()
