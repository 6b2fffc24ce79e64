"""The contract of the jobs table for objects that a route takes for one, and for the order of a table's objects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.test_job_store import Clock, clock, store
from contract.test_listed_sources import EVENT, RECEIPT, job_of, rows
from penstock.errors import JobInProgressError, SupersededError
from penstock.jobs.ports import JobStore
from penstock.model.job import Claim, Failure, Job, Progress
from penstock.model.job_status import JobState
from penstock.model.object import Source
from penstock.model.route import ORDER_TABLE
from penstock.model.table import Mode

__all__ = ["clock", "store"]

FIRST, SECOND = (job_of(replace(EVENT, key=key, version_id=key)) for key in "ab")
DAILY = replace(rows(Mode.REPLACE), order=ORDER_TABLE)


def claimed(store: JobStore, job: Job) -> Claim:
    claim = store.claim(job, lease=60)
    assert isinstance(claim, Claim)
    return claim


def test_the_first_job_has_the_claim_and_keeps_it(store: JobStore) -> None:
    claim = claimed(store, FIRST)
    assert store.claim_once(FIRST, "d1") is None
    assert store.claim_once(FIRST, "d1") is None
    store.close(claim, JobState.SUCCEEDED, receipt=RECEIPT)
    other = store.claim_once(SECOND, "d1")
    assert other
    assert other.job_id == FIRST.id
    assert store.claim_once(SECOND, "d2") is None


def test_while_the_first_job_is_at_work_the_second_waits(store: JobStore) -> None:
    claimed(store, FIRST)
    store.claim_once(FIRST, "d1")
    with pytest.raises(JobInProgressError) as waiting:
        store.claim_once(SECOND, "d1")
    assert waiting.value.retry_after >= 30


def test_a_job_that_failed_with_nothing_delivered_frees_the_claim(store: JobStore) -> None:
    claim = claimed(store, FIRST)
    store.claim_once(FIRST, "d1")
    store.close(claim, JobState.FAILED, failure=Failure("RowError", "bad", ""))
    assert store.claim_once(SECOND, "d1") is None
    claimed(store, SECOND)
    with pytest.raises(JobInProgressError):
        store.claim_once(FIRST, "d1")


def test_a_job_that_failed_after_some_rows_keeps_the_claim(store: JobStore) -> None:
    claim = claimed(store, FIRST)
    store.claim_once(FIRST, "d1")
    store.heartbeat(claim, Progress(rows=3), lease=60)
    store.close(claim, JobState.FAILED, failure=Failure("RowError", "bad", ""))
    other = store.claim_once(SECOND, "d1")
    assert other
    assert (other.job_id, other.state, other.progress.rows) == (FIRST.id, JobState.FAILED, 3)


def test_a_job_that_failed_before_its_one_commit_frees_the_claim(store: JobStore) -> None:
    claim = claimed(store, FIRST)
    store.claim_once(FIRST, "d1")
    store.heartbeat(claim, Progress(rows=3), lease=60)
    store.close(claim, JobState.FAILED, failure=Failure("InvalidTableError", "bad", ""))
    assert store.claim_once(SECOND, "d1", at_once=True) is None


def test_a_claim_without_a_record_is_free(store: JobStore) -> None:
    store.claim_once(FIRST, "d1")
    assert store.claim_once(SECOND, "d1") is None


def uploaded(key: str, time: str) -> Job:
    return job_of(Source("drops", key, 10, "e1", f"v{key}", sequencer="0A01", event_time=time), DAILY)


def test_of_the_objects_of_a_table_the_newest_wins_whatever_their_keys(store: JobStore) -> None:
    monday, tuesday = uploaded("z.csv", "2026-11-30T08:00:00.5Z"), uploaded("a.csv", "2026-12-01T08:00:00Z")
    claimed(store, tuesday)
    with pytest.raises(SupersededError, match="newer"):
        store.claim(monday, lease=60)


def test_an_object_that_is_overtaken_while_it_is_loaded_is_superseded(store: JobStore) -> None:
    monday, tuesday = uploaded("z.csv", "2026-11-30T08:00:00Z"), uploaded("a.csv", "2026-11-30T08:00:00.001+00:00")
    claimed(store, monday)
    store.check_order(monday)
    claimed(store, tuesday)
    with pytest.raises(SupersededError):
        store.check_order(monday)
    store.check_order(tuesday)


def test_listed_objects_of_a_table_have_the_same_order(store: JobStore, clock: Clock) -> None:
    monday, tuesday = (
        job_of(replace(job.source, listed=True, sequencer="", after=""), DAILY)
        for job in (uploaded("z.csv", "2026-11-30T08:00:00Z"), uploaded("a.csv", "2026-12-01T08:00:00Z"))
    )
    claimed(store, tuesday)
    clock.now += 61
    claimed(store, tuesday)
    with pytest.raises(SupersededError):
        store.claim(monday, lease=60)


def test_other_routes_keep_the_order_of_each_key(store: JobStore) -> None:
    monday, tuesday = uploaded("z.csv", "2026-11-30T08:00:00Z"), uploaded("a.csv", "2026-12-01T08:00:00Z")
    claimed(store, replace(tuesday, route=rows(Mode.REPLACE)))
    claimed(store, replace(monday, route=rows(Mode.REPLACE)))
