"""What becomes of an object after its job, on S3: the right version only, whole, once, and on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest

from penstock.aws.s3.source_objects import S3SourceObjects
from penstock.errors import AccessDeniedError, ServiceUnavailableError
from penstock.jobs.after.actor import JOB_TAG, STATE_TAG, AfterActor
from penstock.jobs.after.records import AfterRecords
from penstock.jobs.reconcile.due_actions import SENDS, ActionCheck
from penstock.limits import MIB
from penstock.model.after import After, AfterLevel, AfterState
from penstock.model.job import Claim, Failure, Job, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source, Target
from penstock.model.route import Route
from penstock.testing import ManualDeadline, MemoryAfterStore, MemoryJobStore
from penstock_local.account import Account, emulator_only

RECEIPT = Receipt(4, 4, 0, 0, "identity")
FAILURE = Failure("CorruptSourceError", "bad", "")
KEY, DONE, BAD = "in/a.csv", "done/in/a.csv", "quarantine/in/a.csv"
_names = count(1)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        yield account


class Killed(BaseException):
    """The process dies."""


@dataclass
class FailingObjects:
    """Objects whose requests fail, before they are carried out or after."""

    objects: S3SourceObjects
    before: dict[str, BaseException] = field(default_factory=dict)
    after: dict[str, BaseException] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if error := self.before.pop(name, None):
                raise error
            found = getattr(self.objects, name)(*arguments, **options)
            if error := self.after.pop(name, None):
                raise error
            return found

        return call


class Site:
    """A bucket, a jobs table and the function `after`."""

    def __init__(self, account: Account, *, versioned: bool) -> None:
        self.s3 = account.client("s3")
        self.bucket, self.versioned = f"after-{next(_names)}", versioned
        self.s3.create_bucket(Bucket=self.bucket)
        if versioned:
            self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self.now = 1_795_249_800.0
        self.jobs = MemoryJobStore(lambda: self.now)
        self.store = MemoryAfterStore(self.jobs)
        self.objects: Any = FailingObjects(S3SourceObjects(self.s3))
        self.level = AfterLevel.DELETE
        self.check = ActionCheck(self.store, lambda: self.now)

    @property
    def act(self) -> AfterActor:
        return AfterActor(self.store, self.objects, self.level, lambda: self.now, lambda: f"holder-{next(_names)}")

    def upload(self, body: bytes = b"data", key: str = KEY, **given: Any) -> Source:
        answer = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **given)
        number = f"{next(_names):04}"
        return Source(self.bucket, key, len(body), answer["ETag"].strip('"'), answer.get("VersionId", ""), number)

    def end(
        self, source: Source, after: After, state: JobState = JobState.SUCCEEDED, target: Target | None = None
    ) -> Job:
        route = Route("copy", ("*",), "s3://out/{key}", after=after)
        job = Job(source, route, target or Target("out", source.key))
        claim = self.jobs.claim(job, lease=60)
        assert isinstance(claim, Claim)
        failed = state is JobState.FAILED
        self.jobs.close(claim, state, receipt=None if failed else RECEIPT, failure=FAILURE if failed else None)
        return job

    def status(self, job: Job) -> JobStatus:
        return self.jobs.jobs[job.id]

    def acted(self, job: Job) -> AfterState:
        """Act once, and return what is on record then."""
        self.act(job.id, lambda: 900.0)
        after = self.status(job).after
        assert after
        return after.state

    def message(self, job: Job) -> str:
        after = self.status(job).after
        return after.message if after else ""

    def read(self, key: str) -> bytes | None:
        try:
            body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        return body

    def tags(self, key: str) -> Mapping[str, str]:
        tags = self.s3.get_object_tagging(Bucket=self.bucket, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    def keys(self) -> list[str]:
        return [one["Key"] for one in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", ())]

    def versions(self) -> list[str]:
        return [one["Key"] for one in self.s3.list_object_versions(Bucket=self.bucket).get("Versions", ())]


@pytest.fixture(params=[True, False], ids=["versioned", "plain"])
def site(request: pytest.FixtureRequest, account: Account) -> Site:
    return Site(account, versioned=request.param)


MOVE = After("move:done/", "move:quarantine/")


def test_nothing_happens_before_the_end_or_without_an_action(site: Site) -> None:
    job = Job(site.upload(), Route("copy", ("*",), "s3://out/{key}", after=MOVE), Target("out", KEY))
    claim = site.jobs.claim(job, lease=60)
    assert isinstance(claim, Claim)
    assert site.act(job.id, lambda: 900.0) is None
    site.jobs.release(claim, FAILURE)
    assert site.act(job.id, lambda: 900.0) is None
    for state in (JobState.FAILED, JobState.SUPERSEDED):
        assert site.acted(site.end(site.upload(), After(success="tag"), state)) is AfterState.PENDING
    assert site.act("unknown", lambda: 900.0) is None
    assert site.keys() == [KEY]


@pytest.mark.parametrize(("state", "key"), [(JobState.SUCCEEDED, DONE), (JobState.FAILED, BAD)])
def test_an_object_moves_with_its_tags_and_its_record_knows_where_it_is(site: Site, state: JobState, key: str) -> None:
    job = site.end(site.upload(Tagging="a=1"), MOVE, state)
    assert site.acted(job) is AfterState.DONE
    assert site.keys() == [key]
    assert site.tags(key) == {"a": "1", STATE_TAG: str(state), JOB_TAG: job.id}
    place = site.status(job).location
    assert place
    assert (place.key, bool(place.version_id)) == (key, site.versioned)
    assert site.act(job.id, lambda: 900.0) is None
    assert job.id not in site.jobs.afters


def test_an_object_that_was_moved_is_read_there_and_moves_on_from_there(site: Site) -> None:
    source = site.upload()
    job = site.end(source, MOVE, JobState.FAILED)
    assert site.acted(job) is AfterState.DONE
    assert site.jobs.reopen(site.status(job))
    claim = site.jobs.claim(job, lease=60)
    assert isinstance(claim, Claim)
    assert claim.location
    stored = replace(source, moved=claim.location).stored
    assert (stored.key, replace(source, moved=claim.location).identity) == (BAD, source.identity)
    site.jobs.close(claim, JobState.SUCCEEDED, receipt=RECEIPT)
    assert site.acted(job) is AfterState.DONE
    assert (site.keys(), site.read(DONE)) == ([DONE], b"data")
    assert site.tags(DONE)[STATE_TAG] == "succeeded"


def test_a_job_that_fails_again_leaves_its_object_where_it_is(site: Site) -> None:
    job = site.end(site.upload(), MOVE, JobState.FAILED)
    site.acted(job)
    assert site.jobs.reopen(site.status(job))
    claim = site.jobs.claim(job, lease=60)
    assert isinstance(claim, Claim)
    site.jobs.close(claim, JobState.FAILED, failure=FAILURE)
    assert site.acted(job) is AfterState.DONE
    assert site.keys() == [BAD]
    assert len([key for key in site.versions() if key == BAD]) == 1


@pytest.mark.parametrize("action", ["tag", "move:done/", "delete", "delete:permanent"])
def test_a_newer_version_is_left_alone(site: Site, action: str) -> None:
    job = site.end(site.upload(), After(action))
    newer = site.upload(b"newer")
    assert site.acted(job) is AfterState.SKIPPED
    assert "newer version" in site.message(job)
    head = site.s3.head_object(Bucket=site.bucket, Key=KEY)
    assert (head["ETag"].strip('"'), head.get("VersionId", "")) == (newer.etag, newer.version_id)
    assert (site.keys(), site.tags(KEY)) == ([KEY], {})


@pytest.mark.parametrize("action", ["tag", "move:done/", "delete", "delete:permanent"])
def test_an_object_that_is_gone_is_no_failure(site: Site, action: str) -> None:
    job = site.end(site.upload(), After(action))
    site.s3.delete_object(Bucket=site.bucket, Key=KEY)
    assert site.acted(job) is AfterState.SKIPPED
    assert "does not exist any more" in site.message(job)
    assert site.keys() == []


@pytest.mark.parametrize(("action", "left"), [("delete", 1), ("delete:permanent", 0)])
def test_an_object_is_deleted_and_its_version_only_if_asked_for(site: Site, action: str, left: int) -> None:
    job = site.end(site.upload(), After(action))
    assert site.acted(job) is AfterState.DONE
    assert site.keys() == []
    assert len(site.versions()) == (left if site.versioned else 0)
    assert site.status(job).is_deleted


def test_an_upload_of_the_same_bytes_after_the_event_is_a_newer_version(site: Site) -> None:
    source = replace(site.upload(), event_time="2026-01-01T00:00:00Z")
    site.upload()
    job = site.end(source, After("delete"))
    assert site.acted(job) is AfterState.SKIPPED
    assert site.keys() == [KEY]


def test_what_the_stack_does_not_allow_is_on_record_and_the_object_stays(site: Site) -> None:
    site.level = AfterLevel.TAG
    job = site.end(site.upload(), MOVE)
    assert site.acted(job) is AfterState.FAILED
    assert site.message(job) == "the stack does not allow 'move:done/': its AfterActions is tag, and move is needed"
    assert (site.keys(), site.tags(KEY)) == ([KEY], {})


def test_tags_are_kept_and_full_ones_are_told(site: Site) -> None:
    job = site.end(site.upload(Tagging="&".join(f"t{n}=1" for n in range(9))), After("tag"))
    assert site.acted(job) is AfterState.FAILED
    assert "as many tags as S3 allows" in site.message(job)
    assert len(site.tags(KEY)) == 9
    moved = site.end(site.upload(b"other", "in/b", Tagging="&".join(f"t{n}=1" for n in range(9))), MOVE)
    assert site.acted(moved) is AfterState.DONE
    assert len(site.tags("done/in/b")) == 9


def test_a_taken_name_keeps_both_where_there_are_versions_and_else_the_other(site: Site) -> None:
    site.upload(b"of another", DONE)
    job = site.end(site.upload(), MOVE)
    if site.versioned:
        assert site.acted(job) is AfterState.DONE
        assert (site.read(DONE), site.versions().count(DONE)) == (b"data", 2)
    else:
        assert site.acted(job) is AfterState.FAILED
        assert "exists, and S3 would keep no version of it" in site.message(job)
        assert (site.read(DONE), site.read(KEY)) == (b"of another", b"data")


def test_an_object_that_a_suspended_bucket_would_lose_is_not_overwritten(account: Account) -> None:
    site = Site(account, versioned=True)
    job = site.end(site.upload(), MOVE)
    site.s3.put_bucket_versioning(Bucket=site.bucket, VersioningConfiguration={"Status": "Suspended"})
    site.upload(b"of others", DONE)
    assert site.acted(job) is AfterState.FAILED
    assert (site.read(DONE), site.read(KEY)) == (b"of others", b"data")


def test_the_result_of_the_job_is_not_overwritten(site: Site) -> None:
    source = site.upload()
    site.upload(b"result", DONE)
    job = site.end(source, MOVE, target=Target(site.bucket, DONE))
    assert site.acted(job) is AfterState.FAILED
    assert f"its result is s3://{site.bucket}/{DONE}" in site.message(job)
    assert (site.read(DONE), site.read(KEY)) == (b"result", b"data")


def test_a_key_that_would_be_too_long_is_told(site: Site) -> None:
    job = site.end(site.upload(key="k" * 1022), MOVE)
    assert site.acted(job) is AfterState.FAILED
    assert "S3 allows 1,024" in site.message(job)


@pytest.mark.parametrize("step", ["head", "tags", "copy", "remove"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_move_that_dies_at_any_request_is_done_once_by_the_next(site: Site, step: str, when: str) -> None:
    job = site.end(site.upload(Tagging="a=1"), MOVE)
    getattr(site.objects, when)[step] = Killed()
    with pytest.raises(Killed):
        site.act(job.id, lambda: 900.0)
    assert b"data" in (site.read(KEY), site.read(DONE))
    assert site.act(job.id, lambda: 900.0) is None
    site.now += 900
    assert site.acted(job) is AfterState.DONE
    assert (site.keys(), site.read(DONE)) == ([DONE], b"data")
    assert site.versions().count(DONE) == 1


@pytest.mark.parametrize("action", ["delete", "delete:permanent"])
def test_a_deletion_whose_answer_is_lost_is_done(site: Site, action: str) -> None:
    job = site.end(site.upload(), After(action))
    site.objects.after["remove"] = Killed()
    with pytest.raises(Killed):
        site.act(job.id, lambda: 900.0)
    site.now += 900
    assert site.acted(job) is AfterState.DONE
    assert site.keys() == []


def test_a_newer_version_after_the_copy_stays_and_the_copy_too(site: Site) -> None:
    job = site.end(site.upload(), MOVE)
    site.objects.before["remove"] = Killed()
    with pytest.raises(Killed):
        site.act(job.id, lambda: 900.0)
    site.upload(b"newer")
    site.now += 900
    assert site.acted(job) is AfterState.DONE
    assert "newer version" in site.message(job)
    assert (site.read(KEY), site.read(DONE)) == (b"newer", b"data")


def test_a_refusal_after_the_copy_says_where_both_are(site: Site) -> None:
    job = site.end(site.upload(), MOVE)
    site.objects.before["remove"] = AccessDeniedError("s3:DeleteObject on the bucket")
    assert site.acted(job) is AfterState.FAILED
    assert "copied to s3://" in site.message(job)
    assert "s3:DeleteObject" in site.message(job)
    assert (site.read(KEY), site.read(DONE), site.status(job).location) == (b"data", b"data", None)


def test_a_failure_that_may_pass_is_asked_for_again_by_the_reconciler_and_given_up_at_last(site: Site) -> None:
    job = site.end(site.upload(), MOVE)
    counts: dict[str, int] = {}
    for number in range(SENDS + 1):
        site.objects.before["head"] = ServiceUnavailableError("SlowDown")
        assert site.acted(job) is AfterState.ACTING
        site.now += 5 * 3600
        assert site.check(ManualDeadline(100.0), counts) == []
        assert counts == {"asked": int(number < SENDS), "after_failed": int(number == SENDS)}
    assert site.message(job) == f"given up after {SENDS} requests: ServiceUnavailableError: SlowDown"
    assert site.read(KEY) == b"data"
    site.now += 5 * 3600
    assert site.check(ManualDeadline(100.0), counts) == []
    assert site.jobs.afters == {}


def test_an_end_that_the_stream_has_lost_is_found_by_the_reconciler(site: Site) -> None:
    job = site.end(site.upload(), MOVE)
    other = site.end(site.upload(b"b", "in/b"), After(success="tag"), JobState.FAILED)
    site.now += 3600
    counts: dict[str, int] = {}
    assert site.check(ManualDeadline(100.0), counts) == []
    assert counts == {"asked": 1, "after_failed": 0}
    assert other.id not in site.jobs.afters
    assert site.acted(job) is AfterState.DONE


def stream_record(key: str, number: str) -> Mapping[str, Any]:
    return {"dynamodb": {"Keys": {"pk": {"S": key}}, "SequenceNumber": number}}


def test_a_batch_of_the_stream_acts_on_each_job_once_and_returns_what_it_has_no_time_for(account: Account) -> None:
    site = Site(account, versioned=True)
    jobs = [site.end(site.upload(key=f"in/{n}"), MOVE) for n in range(3)]
    records = [stream_record(f"job#{job.id}", str(n)) for n, job in enumerate(jobs + jobs)]
    batch = {"Records": [*records, stream_record("span#x", "9")]}
    late = AfterRecords(site.act)(batch, ManualDeadline(5.0))
    assert (late.jobs, sorted(late.returned)) == ((), ["0", "1", "2"])
    assert late.response == {"batchItemFailures": [{"itemIdentifier": n} for n in ("0", "1", "2")]}
    done = AfterRecords(site.act)(batch, ManualDeadline(900.0))
    assert {status.job_id for status in done.jobs} == {job.id for job in jobs}
    assert (done.returned, done.errors) == ((), ())
    assert site.keys() == ["done/in/0", "done/in/1", "done/in/2"]


def test_a_large_object_that_is_moved_in_two_invocations_is_copied_by_one_upload(account: Account) -> None:
    site = Site(account, versioned=True)
    site.objects = FailingObjects(S3SourceObjects(site.s3, most_copied=5 * MIB, part=5 * MIB))
    job = site.end(site.upload(bytes(12 * MIB)), MOVE)
    left = iter([900.0, 900.0, 900.0])  # for the lease and two of three parts
    site.act(job.id, lambda: next(left, 0.0))
    status = site.status(job)
    assert status.after
    assert status.after.upload
    assert (site.keys(), status.after.state) == ([KEY], AfterState.ACTING)
    site.now += 900
    assert site.acted(job) is AfterState.DONE
    assert site.read(DONE) == bytes(12 * MIB)
    assert not site.s3.list_multipart_uploads(Bucket=site.bucket).get("Uploads")
