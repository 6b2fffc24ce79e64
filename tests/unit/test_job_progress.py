"""How far a job is: one figure for all that must be read, with the time that is left and the phase by its name."""

from __future__ import annotations

from dataclasses import astuple, fields, replace

import pytest

from penstock.errors import ServiceUnavailableError
from penstock.large_jobs.heartbeat import UnitHeartbeat
from penstock.model.job import Progress
from penstock.model.job_status import JobState, JobStatus, Phase, Stage
from penstock.model.member import MemberCounts
from penstock.model.route import MEMBERS
from penstock.testing import MemoryExecutionStore, MemoryJobStore

JOB = JobStatus("job", JobState.EXECUTING, "s3://drops/a.gz", size=1000, started_at=100.0, updated_at=110.0)


def test_every_figure_is_added() -> None:
    count, members = len(fields(Progress)) - 1, len(fields(MemberCounts))
    more = Progress(*range(1, count + 1), members=MemberCounts(*range(10, 10 + members)))  # type: ignore[misc]
    less = Progress(*range(count), members=MemberCounts(*range(members)))  # type: ignore[misc]
    *figures, of_members = astuple(more.plus(less))
    assert figures == list(range(1, 2 * count, 2))
    assert of_members == tuple(range(10, 10 + 2 * members, 2))


def test_a_job_without_an_index_is_as_far_as_its_bytes_are_read() -> None:
    assert replace(JOB, progress=Progress(250)).percent == 25


def test_an_archive_in_one_invocation_is_as_far_as_its_members() -> None:
    counts = MemberCounts(delivered=3, failed=1, total=5, skipped=2)
    archive = replace(JOB, target=MEMBERS, progress=Progress(members=counts))
    assert archive.percent == 80
    assert replace(archive, progress=Progress(250, members=counts)).percent == 25
    assert replace(archive, progress=Progress()).percent == 0


def test_an_index_reads_every_byte_once_more() -> None:
    indexing = replace(JOB, phases=((Phase.PLAN, 101.0), (Phase.INDEX, 102.0)), indexed=500)
    assert (indexing.percent, indexing.phase, indexing.seconds_left) == (25, Phase.INDEX, 30)
    spans = replace(indexing, phases=(*indexing.phases, (Phase.SPANS, 109.0)), indexed=1000, progress=Progress(500))
    assert (spans.percent, spans.phase) == (75, Phase.SPANS)


def test_an_index_that_another_job_has_made_is_not_waited_for() -> None:
    spans = replace(JOB, phases=((Phase.PLAN, 101.0), (Phase.SPANS, 102.0)), progress=Progress(500))
    assert spans.percent == 50


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.RUNNING])
def test_only_an_execution_is_at_a_phase(state: JobState) -> None:
    assert replace(JOB, state=state, phases=((Phase.FINISH, 109.0),)).phase is None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_heartbeat_notes_progress_now_and_then() -> None:
    clock, jobs = Clock(), MemoryJobStore(lambda: 0.0)
    heartbeat = UnitHeartbeat(MemoryExecutionStore(jobs), "run", Stage.DELIVER, 7, 5.0, clock)
    clock.now = 0.9
    heartbeat(Progress(1))
    assert jobs.units == {}
    # Early, for somebody who has just begun to watch; then every five seconds.
    clock.now = 1.0
    heartbeat(Progress(1))
    assert jobs.units == {("run", Stage.DELIVER, 7): (Progress(1), False)}
    clock.now = 6.0
    heartbeat(Progress(2))
    clock.now = 10.9
    heartbeat(Progress(3))
    assert jobs.units == {("run", Stage.DELIVER, 7): (Progress(2), False)}


def test_work_goes_on_where_its_progress_cannot_be_noted() -> None:
    class Away(MemoryExecutionStore):
        def record_progress(self, execution: str, stage: Stage, unit: int, progress: Progress) -> None:
            raise ServiceUnavailableError("away")

    clock = Clock()
    heartbeat = UnitHeartbeat(Away(MemoryJobStore(lambda: 0.0)), "run", Stage.DELIVER, 7, 5.0, clock)
    clock.now = 6.0
    heartbeat(Progress(1))
