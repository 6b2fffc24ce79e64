"""Which writes to the jobs table announce a job, and what becomes of those that cannot be announced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from penstock.errors import AccessDeniedError, InvalidEventError, PenstockError, ServiceUnavailableError
from penstock.jobs.announce.announcer import Announced, Announcer
from penstock.model.job import Progress
from penstock.model.job_change import JobChange
from penstock.model.job_status import JobState, JobStatus
from penstock.testing import MemoryChannel

RUNNING = JobStatus("a", JobState.RUNNING, "s3://drops/a", route="orders", finished_at=0.0)
DONE = replace(RUNNING, state=JobState.SUCCEEDED, finished_at=1.0)
BROKEN = replace(RUNNING, state=JobState.FAILED, finished_at=1.0)
DENIED = AccessDeniedError("events:PutEvents on the default bus")
BUSY = ServiceUnavailableError("sns:Publish on the topic: throttled")


def ends(*jobs: str) -> Sequence[JobChange]:
    return [JobChange(f"{number}", RUNNING, replace(DONE, job_id=job)) for number, job in enumerate(jobs)]


def told(channel: MemoryChannel) -> list[object]:
    return [one.detail["job"] for one in channel.taken]


def announcer(*channels: MemoryChannel) -> Announcer:
    return Announcer(channels, lambda status: status)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, DONE),  # a small object of a batch: its record is written once
        (RUNNING, DONE),
        (replace(RUNNING, state=JobState.WAITING), BROKEN),
        (replace(RUNNING, state=JobState.EXECUTING), replace(DONE, state=JobState.SUPERSEDED)),
        (BROKEN, DONE),
    ],
)
def test_a_write_that_ends_a_job_announces_it(before: JobStatus | None, after: JobStatus) -> None:
    channel = MemoryChannel()
    assert announcer(channel)([JobChange("1", before, after)]) == Announced(1, {})
    assert [one.detail["state"] for one in channel.taken] == [str(after.state)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, RUNNING),
        (RUNNING, replace(RUNNING, updated_at=2.0)),
        (DONE, replace(DONE, updated_at=2.0)),  # a note on the record of an ended job
        (DONE, None),  # the record has expired
        (BROKEN, replace(RUNNING, state=JobState.WAITING)),  # a redrive
        (None, replace(DONE, state=JobState.SKIPPED)),  # no route takes the source
        (RUNNING, replace(BROKEN, archive_job="b")),  # its archive tells of it
        (None, None),  # another item of the table
    ],
)
def test_any_other_write_announces_nothing(before: JobStatus | None, after: JobStatus | None) -> None:
    channel = MemoryChannel()
    assert announcer(channel)([JobChange("1", before, after)]) == Announced(0, {})
    assert not channel.taken


def test_a_job_that_is_redriven_is_announced_at_each_end() -> None:
    channel, waiting = MemoryChannel(), replace(RUNNING, state=JobState.WAITING, redrives=1)
    writes = [JobChange("1", RUNNING, BROKEN), JobChange("2", BROKEN, waiting), JobChange("3", waiting, DONE)]
    announcer(channel)(writes)
    assert [one.kind for one in channel.taken] == ["Penstock Job Failed", "Penstock Job Succeeded"]


def test_only_what_was_refused_is_reported_and_the_retry_sends_no_more_than_that() -> None:
    bus, topic = MemoryChannel(), MemoryChannel(refusals={"b": BUSY})
    announce, writes = announcer(bus, topic), ends("a", "b", "c")
    assert announce(writes) == Announced(2, {"1": BUSY})
    assert announce(writes[1:]) == Announced(2, {})
    assert (told(bus), told(topic)) == (["a", "b", "c"], ["a", "c", "b"])


def test_another_environment_repeats_what_the_first_has_sent() -> None:
    bus, topic = MemoryChannel(), MemoryChannel(refusals={"a": BUSY, "b": BUSY})
    writes = ends("a", "b")
    with pytest.raises(ServiceUnavailableError):
        announcer(bus, topic)(writes)
    announcer(bus, topic)(writes)
    assert told(bus) == ["a", "b", "a", "b"]
    assert bus.taken[:2] == bus.taken[2:]  # so that a consumer knows them by job and time
    assert told(topic) == ["a", "b"]


def test_if_nothing_can_be_announced_the_function_fails() -> None:
    refusals: dict[str, PenstockError] = {"a": DENIED, "b": DENIED}
    with pytest.raises(AccessDeniedError, match="PutEvents"):
        announcer(MemoryChannel(refusals=refusals))(ends("a", "b"))


def test_a_write_that_cannot_be_read_holds_up_no_other() -> None:
    channel, problem = MemoryChannel(), InvalidEventError("malformed")
    assert announcer(channel)([JobChange("x", problem=problem), *ends("a")]) == Announced(1, {"x": problem})
    assert told(channel) == ["a"]


def test_a_failed_job_counts_what_its_spans_delivered() -> None:
    channel = MemoryChannel()
    announce = Announcer([channel], lambda status: replace(status, progress=Progress(rows=7)))
    announce([JobChange("1", RUNNING, BROKEN), JobChange("2", RUNNING, DONE)])
    assert [one.detail["rows"] for one in channel.taken] == [7, 0]


def test_spans_that_cannot_be_read_leave_their_job_for_a_retry() -> None:
    def with_spans(status: JobStatus) -> JobStatus:
        raise BUSY

    channel = MemoryChannel()
    announce = Announcer([channel], with_spans)
    assert announce([JobChange("1", RUNNING, BROKEN), JobChange("2", RUNNING, DONE)]) == Announced(1, {"1": BUSY})
