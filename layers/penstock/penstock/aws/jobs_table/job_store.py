"""The jobs in the jobs table: their leases, progress and results."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from penstock.aws.backoff import Backoff
from penstock.aws.dynamodb_client import EncodedPuts, take_encoded_puts
from penstock.aws.errors import translating
from penstock.aws.jobs_table.after_items import (
    DECISIVE,
    FIRST_CHECK_SECONDS,
    after_key,
    location_of,
    plan_of,
    planned,
)
from penstock.aws.jobs_table.attributes import typed
from penstock.aws.jobs_table.commit_items import state_fields, state_of
from penstock.aws.jobs_table.content_claims import ContentClaims, is_unversioned
from penstock.aws.jobs_table.items import (
    JobsTable,
    Values,
    counted,
    delivered,
    described,
    job_key,
    reset_attributes,
    status_of,
)
from penstock.aws.jobs_table.job_order import JobOrder
from penstock.aws.jobs_table.once_claims import OnceClaims
from penstock.aws.jobs_table.span_progress import SpanProgress
from penstock.aws.jobs_table.time_index import after_until, ended_at, open_until
from penstock.aws.jobs_table.unused_items import note_unused
from penstock.aws.retry import attempts
from penstock.errors import JobInProgressError, LeaseLostError, ServiceUnavailableError, YieldedError
from penstock.limits import COMMITTING_SECONDS, WAITING_SECONDS
from penstock.model.commit import CommitNote
from penstock.model.identity import digest
from penstock.model.job import MAX_ATTEMPTS, Claim, Failure, Job, Progress, Receipt, superseded_by
from penstock.model.job_status import JobState, JobStatus, can_redrive
from penstock.model.object import Location, Source

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
BATCH = 25
# Requests at once: DynamoDB takes about 5 ms for a request, and this process as long to build one.
REQUESTS = 4
# Reads of single items at once. botocore keeps ten connections.
READS = 8


class DynamoJobStore:
    """One item for each job. Every write with a claim is one conditional UpdateItem. ``clock`` returns Unix seconds."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        retention_days: int,
        clock: Callable[[], float] = time.time,
        new_attempt: Callable[[], str] = lambda: uuid.uuid4().hex,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = JobsTable(client, table, retention_days=retention_days, clock=clock)
        self._order = JobOrder(self._table, clock)
        self._contents = ContentClaims(self._table, clock)
        self._once = OnceClaims(self._table, clock)
        self._clock = clock
        self._new_attempt = new_attempt
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._progress = SpanProgress(self._table, self._backoff, sleep)

    def claim(
        self, job: Job, *, lease: float, seconds: float = 0.0, memory: int = 0, archive_job: str = ""
    ) -> Claim | JobStatus:
        if other := self._other_of(job):
            return other
        refusal = None if self._order.note(job) else self._order.refusal(job)
        now = self._clock()
        attempt = self._new_attempt()
        fields = described(job.source) | {
            "route": job.route.name,
            "target": job.target.uri,
            "state": str(JobState.RUNNING),
            "attempt": attempt,
            "lease_until": now + lease,
            "deadline_at": now + max(lease, seconds),
            "memory_size": memory,
            "yields_to": "",
            "sends": 0,
            "memory_peak": 0,
            "updated_at": now,
            **open_until(job.id, now + lease),
        }
        if archive_job:
            fields["archive_job"] = archive_job
        # Each attempt follows the current route, as it does with a password: neither is part of the job.
        plan = plan_of(job)
        if plan:
            fields |= planned(plan)
        if isinstance(refusal, YieldedError):
            fields |= self._order.yielded(job.id, refusal)
        # A job whose files wait for their commit is stored as executing. Nobody claims it.
        condition = (
            "attribute_not_exists(pk) OR (#state IN (:running, :waiting, :executing) AND lease_until <= :now "
            "AND NOT committing = :yes)"
        )
        open_states = (JobState.RUNNING, JobState.WAITING, JobState.EXECUTING)
        values = {f":{state}": str(state) for state in open_states} | {":now": now, ":yes": True}
        taken = self._table.update(
            job_key(job.id),
            fields,
            once={"started_at": now, "first_claim": now},
            add={"attempts": 1},
            remove=() if plan else DECISIVE,
            condition=condition,
            values=values,
        )
        if taken is None:
            return self._existing(job, now)
        if isinstance(refusal, YieldedError):
            raise refusal
        if plan:
            self._table.update(after_key(job.id), after_until(job.id, now + FIRST_CHECK_SECONDS))
        location = self._location(job, taken)
        claim = Claim(job.id, attempt, int(taken["attempts"]), int(taken.get("redrives", 0)), refusal, location)
        claim = replace(claim, begun=float(taken["first_claim"]))
        if refusal and claim.is_first:
            self.close(claim, JobState.SUPERSEDED, failure=Failure.of(refusal))
            raise refusal
        return claim

    def _other_of(self, job: Job) -> JobStatus | None:
        """Return the job that delivers the same bytes of an unversioned bucket, if it is another one."""
        if not is_unversioned(job.source) or (job.source.listed and job.source.after is None):
            return None
        newest = str(self._order.known(job).get("job", "")) if job.source.listed else ""
        return self._contents.other(job, newest)

    def known_order(self, job: Job) -> str:
        return str(self._order.known(job).get("order", ""))

    def unclaimed(self, jobs: Sequence[Job]) -> Collection[str]:
        # A job whose rows tell the time of its first claim may have been claimed before.
        listed = [job for job in jobs if job.source.listed or job.tells_begin]
        known = set[str]()
        if listed:
            with ThreadPoolExecutor(READS, thread_name_prefix="jobs-claim") as threads:
                done = threads.map(self._may_be_done, listed)
                known = {job.id for job, is_done in zip(listed, done, strict=True) if is_done}
        rest = [job for job in jobs if job.id not in known]
        claimed = self._contents.claim_all([job for job in rest if _claims_content(job)])
        return {job.id for job in rest if not _claims_content(job)} | {job.id for job in claimed}

    def claim_once(self, job: Job, what: str, *, at_once: bool = False) -> JobStatus | None:
        return self._once.other(job, what, at_once=at_once)

    def _may_be_done(self, job: Job) -> bool:
        """Whether a source may have been delivered, or claimed: its own claim finds out."""
        item = self._table.item(job_key(job.id))
        if item and (JobState(item["state"]).final or job.tells_begin):
            return True
        if not job.source.listed:
            return False
        return is_unversioned(job.source) and bool(self._order.known(job))

    def heartbeat(self, claim: Claim, progress: Progress, *, lease: float, memory: int = 0) -> None:
        now = self._clock()
        fields = {"lease_until": now + lease, "updated_at": now, "memory_peak": memory}
        self._write(claim, fields | counted(progress))

    def record_upload(self, claim: Claim, upload_id: str) -> None:
        # It is open for one invocation at most. The sweep only handles older uploads, so it needs no owner item.
        self._write(claim, {}, add={"uploads": frozenset([upload_id])})

    def check_order(self, job: Job) -> None:
        self._order.check(job)

    def yield_to(self, claim: Claim, error: YieldedError) -> None:
        self._write(claim, self._order.yielded(claim.job_id, error))

    def release(self, claim: Claim, failure: Failure) -> None:
        now = self._clock()
        self._write(
            claim,
            {
                "state": str(JobState.WAITING),
                "lease_until": now,
                "updated_at": now,
                "failure": asdict(failure),
                **open_until(claim.job_id, now + WAITING_SECONDS),
            },
        )

    def close(
        self,
        claim: Claim,
        state: JobState,
        *,
        receipt: Receipt | None = None,
        failure: Failure | None = None,
    ) -> None:
        now = self._clock()
        fields: Values = {"state": str(state), "updated_at": now, "finished_at": now, "lease_until": now}
        fields |= ended_at(claim.job_id, now)
        if receipt:
            fields |= delivered(receipt)
        # A job that has succeeded does not keep the failure of an earlier attempt.
        cured = ("failure",) if state is JobState.SUCCEEDED and failure is None else ()
        self._write(claim, fields | ({"failure": asdict(failure)} if failure else {}), remove=cured)

    def hold(self, claim: Claim, receipt: Receipt, note: CommitNote) -> None:
        now = self._clock()
        fields = state_fields(JobState.COMMITTING) | {"updated_at": now, "lease_until": now, "sends": 0}
        fields |= {"commit_replaces": note.replaces, "commit_series": note.series, "commit_order": note.order}
        fields |= delivered(receipt) | open_until(claim.job_id, now + COMMITTING_SECONDS)
        self._write(claim, fields, remove=("failure",))

    def note_unused(self, job_id: str) -> None:
        note_unused(self._table, job_id, self._clock())

    def skip(self, source: Source) -> None:
        now, job_id = self._clock(), digest(*source.identity)
        fields = described(source) | {"state": str(JobState.SKIPPED), "updated_at": now, "finished_at": now}
        self._table.update(job_key(job_id), fields | ended_at(job_id, now), once={"started_at": now})

    def record_many(self, done: Sequence[tuple[Job, Receipt]], *, seconds: float) -> None:
        """Send requests of 25 items, the maximum, several at once."""
        now = self._clock()
        times = {"started_at": now - seconds, "updated_at": now, "finished_at": now, "lease_until": now}
        ended = times | {"state": str(JobState.SUCCEEDED), "attempts": 1, "expires_at": self._table.expiry}
        common = {name: typed(value) for name, value in ended.items()}
        puts, afters = [], []
        for job, receipt in done:
            own = described(job.source) | {"route": job.route.name, "target": job.target.uri} | delivered(receipt)
            own |= {"pk": job_key(job.id), **ended_at(job.id, now)}
            if plan := plan_of(job):
                own |= planned(plan)
                due = {"pk": after_key(job.id), "expires_at": self._table.expiry}
                afters.append(_put_of(due | after_until(job.id, now + FIRST_CHECK_SECONDS)))
            item = common | {name: typed(value) for name, value in own.items()}
            puts.append(_encoded({"PutRequest": {"Item": item}}))
        take_encoded_puts(self._client)
        # First what is to be done, then that it can be: a process that dies in between leaves no job without it.
        for items in (afters, puts):
            batches = [items[first : first + BATCH] for first in range(0, len(items), BATCH)]
            with ThreadPoolExecutor(REQUESTS, thread_name_prefix="jobs-put") as threads:
                list(threads.map(self._put, batches))

    def get(self, job_id: str) -> JobStatus | None:
        item = self._table.item(job_key(job_id))
        return self._status(job_id, item) if item else None

    def reopen(self, status: JobStatus) -> bool:
        now = self._clock()
        if not can_redrive(status, now) or (status.after and status.after.has_begun):
            return False
        fields = {
            "state": str(JobState.WAITING),
            # A new attempt: later writes of the failed execution are refused.
            "attempt": self._new_attempt(),
            "lease_until": now,
            "attempts_limit": status.attempts + MAX_ATTEMPTS,
            **open_until(status.job_id, now + WAITING_SECONDS),
        }
        fields |= state_fields(JobState.WAITING) if status.state is JobState.IN_DOUBT else {}
        return self._table.update_unchanged(status, fields | reset_attributes(now), add={"redrives": 1})

    def supersede(self, job_id: str, by: str) -> bool:
        now = self._clock()
        fields = {"state": str(JobState.SUPERSEDED), "updated_at": now, "finished_at": now, "lease_until": now}
        fields |= {"failure": asdict(superseded_by(by)), **ended_at(job_id, now)}
        written = self._table.update(
            job_key(job_id), fields, condition="#state = :waiting", values={":waiting": str(JobState.WAITING)}
        )
        return written is not None

    def search(self, *, prefix: str = "", source: str = "", states: Collection[JobState] = ()) -> Iterator[JobStatus]:
        conditions, values, names = ["begins_with(pk, :prefix)"], {":prefix": typed(job_key(prefix))}, {}
        if source:
            names["#source"] = "source"
            values[":source"] = typed(source)
            conditions.append("#source = :source")
        if states:
            names["#state"] = "state"
            stored = {state.stored for state in states}
            values |= {f":{state}": typed(str(state)) for state in stored}
            conditions.append(f"#state IN ({', '.join(f':{state}' for state in stored)})")
        request: Values = {"FilterExpression": " AND ".join(conditions), "ExpressionAttributeValues": values}
        for item in self._table.pages(request | ({"ExpressionAttributeNames": names} if names else {})):
            if not states or state_of(item) in states:
                yield self._status(item["pk"].removeprefix(job_key("")), item)

    def _status(self, job_id: str, item: Values) -> JobStatus:
        """Return the status of a job, including the progress of the units of its execution."""
        return self._progress.added_to(status_of(job_id, item), int(item.get("read_units", 0)))

    def _put(self, puts: Sequence[bytes]) -> None:
        """Send one request, and resend its unprocessed items."""
        right = f"dynamodb:BatchWriteItem on table {self._table.name}"
        for _ in attempts(self._backoff, self._sleep):
            requests: Any = EncodedPuts(self._table.name, puts)
            with translating(right):
                answer = self._client.batch_write_item(RequestItems=requests)
            puts = [_encoded(left) for left in answer.get("UnprocessedItems", {}).get(self._table.name, ())]
            if not puts:
                return
        raise ServiceUnavailableError(
            f"{right}: {len(puts)} items are unprocessed after {self._backoff.attempts} requests"
        )

    def _location(self, job: Job, taken: Values) -> Location | None:
        """Return where the object of a claimed job was moved. Only the record of an archive knows it of its members."""
        if job.source.moved or not job.source.member:
            return job.source.moved or location_of(taken)
        archive_job = str(taken.get("archive_job", ""))
        return location_of(self._table.item(job_key(archive_job))) if archive_job else None

    def _existing(self, job: Job, now: float) -> JobStatus:
        item = self._table.item(job_key(job.id))
        status = status_of(job.id, item)
        if status.state.final or status.state in (JobState.EXECUTING, JobState.COMMITTING):
            return status
        wait = max(0.0, float(item.get("lease_until", now)) - now)
        raise JobInProgressError(f"{job.source.uri}: another attempt is running job {job.id}", retry_after=wait)

    def _write(self, claim: Claim, fields: Values, *, add: Values | None = None, remove: Sequence[str] = ()) -> None:
        written = self._table.update(
            job_key(claim.job_id),
            fields,
            add=add,
            remove=remove,
            condition="attempt = :attempt AND #state = :running",
            values={":attempt": claim.attempt, ":running": str(JobState.RUNNING)},
        )
        if written is None:
            raise LeaseLostError(f"job {claim.job_id}: another attempt took over from attempt {claim.number}")


def _claims_content(job: Job) -> bool:
    return is_unversioned(job.source) and job.route.adds_rows


def _put_of(item: Values) -> bytes:
    return _encoded({"PutRequest": {"Item": {name: typed(value) for name, value in item.items()}}})


def _encoded(put: object) -> bytes:
    return json.dumps(put).encode()
