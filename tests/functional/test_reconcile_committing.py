"""The reconciler and jobs of Iceberg tables: jobs that wait for their commit, messages that died, and unused files."""

from __future__ import annotations

import json

from committed_jobs import RECEIPT, TABLE, job_of
from functional.test_reconcile import Site
from penstock.limits import COMMITTING_SECONDS, UNUSED_SECONDS
from penstock.model.commit import NO_COMMIT, CommitBatch
from penstock.model.job import Claim, Failure
from penstock.model.job_status import JobState
from penstock.testing.commits import MemoryCommitStore

FAILURE = Failure("InvalidTableError", "does not fit", "")


def waiting(site: Site) -> str:
    """A job whose files wait for their commit, and whose message is lost."""
    claim = site.plant.jobs.claim(job_of("a"), lease=60)
    assert isinstance(claim, Claim)
    site.plant.jobs.hold(claim, RECEIPT, NO_COMMIT)
    return claim.job_id


def ended(site: Site, state: JobState) -> str:
    job_id = waiting(site)
    store = MemoryCommitStore(site.plant.jobs)
    store.take(job_id, "c1")
    failure = None if state is JobState.SUCCEEDED else FAILURE
    assert store.close(site.plant.jobs.jobs[job_id], CommitBatch("c1", TABLE, (job_id,)), state, failure)
    return job_id


def test_a_job_that_waits_too_long_is_announced_again_ever_more_rarely() -> None:
    site = Site()
    job_id, sent = waiting(site), site.plant.commit_queue.sent
    site.run()
    assert sent == []
    site.plant.now += COMMITTING_SECONDS
    assert site.run()["restarted"] == 1
    assert sent == [(TABLE, job_id)]
    site.plant.now += COMMITTING_SECONDS
    site.run()
    assert sent == [(TABLE, job_id)] * 2
    site.plant.now += COMMITTING_SECONDS
    site.run()
    assert sent == [(TABLE, job_id)] * 2  # now the wait is twice as long


def test_a_job_that_no_commit_ever_takes_fails_and_its_files_are_looked_at() -> None:
    site = Site()
    job_id = waiting(site)
    for _ in range(11):
        site.plant.now += 4 * 3600
        site.run()
    assert site.plant.jobs.jobs[job_id].state is JobState.FAILED
    assert len(site.plant.commit_queue.sent) == 10
    site.plant.now += UNUSED_SECONDS
    site.run()
    assert site.unused == [job_id]


def test_a_job_that_a_commit_has_taken_ends_in_doubt_and_keeps_its_files() -> None:
    site = Site()
    job_id = waiting(site)
    MemoryCommitStore(site.plant.jobs).take(job_id, "c1")
    for _ in range(12):
        site.plant.now += 4 * 3600
        site.run()
    assert (site.plant.jobs.jobs[job_id].state, site.unused) == (JobState.IN_DOUBT, [])


def test_a_dead_letter_of_the_commit_queue_stays_until_its_job_has_ended() -> None:
    site = Site()
    job_id = waiting(site)
    letter = json.dumps({"table": TABLE, "job": job_id})
    site.letters.bodies = [letter]
    site.run()
    assert site.letters.bodies == [letter]
    site.plant.jobs.end(job_id, JobState.SUCCEEDED, receipt=None, failure=None)
    site.plant.now += 600
    site.run()
    assert site.letters.bodies == []


def test_only_the_files_of_jobs_that_failed_are_looked_at_and_not_at_once() -> None:
    site = Site()
    job_id = ended(site, JobState.FAILED)
    site.run()
    assert site.unused == []
    site.plant.now += UNUSED_SECONDS
    site.run()
    assert site.unused == [job_id]
    other = Site()
    ended(other, JobState.SUCCEEDED)
    other.plant.now += UNUSED_SECONDS
    other.run()
    assert other.unused == []
