"""The jobs table in DynamoDB.

Two kinds of items share it: ``job#<job id>``, and ``order#<digest of source and route>``, which holds the
highest sequencer that was claimed. That one only ever grows, so an older event finds out without a transaction.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from penstock.adapters.aws_errors import translating
from penstock.adapters.dynamodb_client import EncodedPuts, take_encoded_puts
from penstock.adapters.s3_source import Backoff
from penstock.errors import JobInProgressError, LeaseLostError, ServiceUnavailableError, SupersededError
from penstock.model import Claim, Failure, Job, JobState, JobStatus, Progress, Receipt, Source, digest

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

Values = dict[str, Any]

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
BATCH = 25
# At once: DynamoDB takes some 5 ms for a request, and this process as long to make one.
REQUESTS = 4

_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()


class DynamoJobStore:
    """One item per job; every write of a claim's holder is one conditional UpdateItem. ``clock`` gives Unix seconds."""

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
        self._table = table
        self._retention = retention_days * 86_400
        self._clock = clock
        self._new_attempt = new_attempt
        self._backoff = backoff or Backoff()
        self._sleep = sleep

    def claim(self, job: Job, *, lease: float) -> Claim | JobStatus:
        newest = self._note_order(job)
        now = self._clock()
        attempt = self._new_attempt()
        fields = _described(job.source) | {
            "route": job.route.name,
            "target": job.target.uri,
            "state": str(JobState.RUNNING if newest else JobState.SUPERSEDED),
            "attempt": attempt,
            "lease_until": now + lease if newest else now,
            "updated_at": now,
        }
        message = f"{job.source.uri}: a newer version was claimed before this event came"
        if not newest:
            fields |= {"finished_at": now, "failure": asdict(Failure("SupersededError", message, ""))}
        condition = "attribute_not_exists(pk) OR (#state IN (:running, :waiting) AND lease_until <= :now)"
        values = {":running": str(JobState.RUNNING), ":waiting": str(JobState.WAITING), ":now": now}
        taken = self._update(
            _job_key(job.id),
            fields,
            once={"started_at": now},
            add={"attempts": 1},
            condition=condition,
            values=values,
        )
        if taken is None:
            return self._standing(job, now)
        if not newest:
            raise SupersededError(message)
        return Claim(job.id, attempt, int(taken["attempts"]))

    def beat(self, claim: Claim, progress: Progress, *, lease: float) -> None:
        now = self._clock()
        self._write(claim, {"lease_until": now + lease, "updated_at": now} | _counted(progress))

    def release(self, claim: Claim, failure: Failure) -> None:
        now = self._clock()
        self._write(
            claim,
            {"state": str(JobState.WAITING), "lease_until": now, "updated_at": now, "failure": asdict(failure)},
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
        if receipt:
            fields |= _delivered(receipt)
        self._write(claim, fields | ({"failure": asdict(failure)} if failure else {}))

    def skip(self, source: Source) -> None:
        now = self._clock()
        fields = _described(source) | {"state": str(JobState.SKIPPED), "updated_at": now, "finished_at": now}
        self._update(_job_key(digest(*source.identity)), fields, once={"started_at": now})

    def record_many(self, done: Sequence[tuple[Job, Receipt]], *, seconds: float) -> None:
        """In requests of 25 items, the most there may be, several at once."""
        now = self._clock()
        times = {"started_at": now - seconds, "updated_at": now, "finished_at": now, "lease_until": now}
        ended = times | {"state": str(JobState.SUCCEEDED), "attempts": 1, "expires_at": int(now) + self._retention}
        common = {name: _typed(value) for name, value in ended.items()}
        puts = []
        for job, receipt in done:
            own = _described(job.source) | {"route": job.route.name, "target": job.target.uri} | _delivered(receipt)
            own["pk"] = _job_key(job.id)
            item = common | {name: _typed(value) for name, value in own.items()}
            puts.append(_encoded({"PutRequest": {"Item": item}}))
        take_encoded_puts(self._client)
        batches = [puts[first : first + BATCH] for first in range(0, len(puts), BATCH)]
        with ThreadPoolExecutor(REQUESTS, thread_name_prefix="jobs-put") as threads:
            list(threads.map(self._put, batches))

    def get(self, job_id: str) -> JobStatus | None:
        item = self._item(job_id)
        return _status(job_id, item) if item else None

    def _put(self, puts: Sequence[bytes]) -> None:
        """One request, and again for what DynamoDB left out of it."""
        right = f"dynamodb:BatchWriteItem on table {self._table}"
        for failures in range(1, self._backoff.attempts + 1):
            requests: Any = EncodedPuts(self._table, puts)
            with translating(right):
                answer = self._client.batch_write_item(RequestItems=requests)
            puts = [_encoded(left) for left in answer.get("UnprocessedItems", {}).get(self._table, ())]
            if not puts:
                return
            self._sleep(self._backoff.delay(failures))
        raise ServiceUnavailableError(f"{right}: left {len(puts)} items out of {self._backoff.attempts} requests")

    def _item(self, job_id: str) -> Values:
        key = {"pk": {"S": _job_key(job_id)}}
        with translating(f"dynamodb:GetItem on table {self._table}"):
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return _plain(answer.get("Item", {}))

    def _note_order(self, job: Job) -> bool:
        """Whether no newer version of this source was claimed through this route."""
        order = job.source.order
        if not order:
            return True
        key = "order#" + digest(job.source.bucket, job.source.key, job.route.name)
        noted = self._update(
            key,
            {"order": order, "job": job.id},
            condition="attribute_not_exists(pk) OR #order <= :order",
            values={":order": order},
        )
        return noted is not None

    def _standing(self, job: Job, now: float) -> JobStatus:
        item = self._item(job.id)
        status = _status(job.id, item)
        if status.state.final:
            return status
        wait = max(0.0, float(item.get("lease_until", now)) - now)
        raise JobInProgressError(f"{job.source.uri}: another attempt is at work on job {job.id}", retry_after=wait)

    def _write(self, claim: Claim, fields: Values) -> None:
        written = self._update(
            _job_key(claim.job_id),
            fields,
            condition="attempt = :attempt AND #state = :running",
            values={":attempt": claim.attempt, ":running": str(JobState.RUNNING)},
        )
        if written is None:
            raise LeaseLostError(f"job {claim.job_id}: attempt {claim.number} was taken over by another")

    def _update(
        self,
        key: str,
        fields: Values,
        *,
        once: Values | None = None,
        add: Values | None = None,
        condition: str = "",
        values: Values | None = None,
    ) -> Values | None:
        """One conditional UpdateItem: the item as it is now, or None when the condition does not hold.

        ``fields`` are set, ``once`` set where absent, ``add`` counted up.
        """
        fields = fields | {"expires_at": int(self._clock()) + self._retention}
        sets = [f"#{name} = :set_{name}" for name in fields]
        sets += [f"#{name} = if_not_exists(#{name}, :set_{name})" for name in once or {}]
        adds = [f"#{name} :set_{name}" for name in add or {}]
        everything = fields | (once or {}) | (add or {})
        bound = {f":set_{name}": value for name, value in everything.items()} | (values or {})
        request: Values = {
            "TableName": self._table,
            "Key": {"pk": {"S": key}},
            "UpdateExpression": "SET " + ", ".join(sets) + (" ADD " + ", ".join(adds) if adds else ""),
            "ExpressionAttributeNames": {f"#{name}": name for name in everything},
            "ExpressionAttributeValues": {name: _typed(value) for name, value in bound.items()},
            "ReturnValues": "ALL_NEW",
        }
        if condition:
            request["ConditionExpression"] = condition
            if "#state" in condition:
                request["ExpressionAttributeNames"]["#state"] = "state"
        with translating(f"dynamodb:UpdateItem on table {self._table}"):
            try:
                answer = self._client.update_item(**request)
            except ClientError as error:
                if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                    return None
                raise
        return _plain(answer["Attributes"])


def _encoded(put: object) -> bytes:
    return json.dumps(put).encode()


def _job_key(job_id: str) -> str:
    return f"job#{job_id}"


def _described(source: Source) -> Values:
    return {"source": source.uri, "version": source.version_id, "etag": source.etag, "size": source.size}


def _counted(progress: Progress) -> Values:
    return asdict(progress)


def _delivered(receipt: Receipt) -> Values:
    return _counted(Progress(receipt.bytes_in, receipt.bytes_out, receipt.rows, receipt.rejects)) | {
        "codec": receipt.codec,
        "crc32": f"{receipt.crc32:08x}",
        "parts": receipt.parts,
        "warnings": list(receipt.warnings),
    }


def _status(job_id: str, item: Mapping[str, Any]) -> JobStatus:
    state = JobState(item["state"])
    failure = None if state is JobState.SUCCEEDED else item.get("failure")  # an earlier attempt's
    return JobStatus(
        job_id=job_id,
        state=state,
        source=item.get("source", ""),
        route=item.get("route", ""),
        target=item.get("target", ""),
        size=int(item.get("size", 0)),
        progress=Progress(*(int(item.get(name, 0)) for name in ("bytes_in", "bytes_out", "rows", "rejects"))),
        attempts=int(item.get("attempts", 0)),
        started_at=float(item.get("started_at", 0)),
        updated_at=float(item.get("updated_at", 0)),
        finished_at=float(item.get("finished_at", 0)),
        codec=item.get("codec", ""),
        crc32=item.get("crc32", ""),
        parts=int(item.get("parts", 0)),
        warnings=tuple(item.get("warnings", ())),
        failure=Failure(**failure) if failure else None,
    )


def _typed(value: Any) -> Any:
    # The serializer asks every type in turn; nearly all values are of these two.
    if type(value) is str:
        return {"S": value}
    if type(value) is int:
        return {"N": str(value)}
    return _SERIALIZER.serialize(Decimal(str(value)) if isinstance(value, float) else value)


def _plain(item: Mapping[str, Any]) -> Values:
    return {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
