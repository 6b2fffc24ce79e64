"""The jobs table in DynamoDB: its items, and the one way to write them.

job#<job id>                       one job
order#<digest of source, route>    the highest sequencer that was claimed; it only ever grows, so an older event
                                   finds out without a transaction
load#<job id>#<span>               where a load into DynamoDB goes on
span#<execution>#<span>            what one span of an execution delivered
upload#<upload id>                 the job that opened a multipart upload
progress#<execution>#...           how far its spans are (see `span_progress`)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.aws.jobs_table.attributes import plain, typed
from penstock.model.job import MAX_ATTEMPTS, Failure, Progress, Receipt
from penstock.model.job_status import JobState, JobStatus, Phase
from penstock.model.object import Source

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

Values = dict[str, Any]

# The attributes that count how far a job is.
PROGRESS = tuple(one.name for one in fields(Progress))


class JobsTable:
    """Reads and conditionally writes items; each write puts off their expiry. ``clock`` gives Unix seconds."""

    def __init__(
        self,
        client: DynamoDBClient,
        name: str,
        *,
        retention_days: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.client = client
        self.name = name
        self.clock = clock
        self._retention = retention_days * 86_400

    @property
    def expiry(self) -> int:
        """When an item that is written now expires."""
        return int(self.clock()) + self._retention

    def item(self, key: str) -> Values:
        """An item as it is now; empty where there is none."""
        with translating(f"dynamodb:GetItem on table {self.name}"):
            answer = self.client.get_item(TableName=self.name, Key={"pk": {"S": key}}, ConsistentRead=True)
        return plain(answer.get("Item", {}))

    def pages(self, request: Values) -> Iterator[Values]:
        """Every item that a Scan finds."""
        with translating(f"dynamodb:Scan on table {self.name}"):
            for page in self.client.get_paginator("scan").paginate(TableName=self.name, **request):
                yield from map(plain, page["Items"])

    def update(
        self,
        key: str,
        fields: Values,
        *,
        once: Values | None = None,
        add: Values | None = None,
        drop: Values | None = None,
        condition: str = "",
        values: Values | None = None,
    ) -> Values | None:
        """One conditional UpdateItem: the item as it is now, or None when the condition does not hold.

        ``fields`` are set, ``once`` set where absent, ``add`` counted up or added to a set, ``drop`` taken from a set.
        """
        request = self.expression(key, fields, once=once, add=add, drop=drop, condition=condition, values=values)
        with translating(f"dynamodb:UpdateItem on table {self.name}"):
            try:
                answer = self.client.update_item(**request, ReturnValues="ALL_NEW")
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return None
                raise
        return plain(answer["Attributes"])

    def update_unchanged(self, status: JobStatus, fields: Values, *, add: Values | None = None) -> bool:
        """Write a job's item unless somebody has taken, renewed or ended the job since it was read."""
        written = self.update(
            job_key(status.job_id),
            fields,
            add=add,
            condition="attempt = :holder AND #state = :seen AND lease_until = :lease",
            values={":holder": status.holder, ":seen": str(status.state), ":lease": status.lease_until},
        )
        return written is not None

    def expression(
        self,
        key: str,
        fields: Values,
        *,
        once: Values | None = None,
        add: Values | None = None,
        drop: Values | None = None,
        condition: str = "",
        values: Values | None = None,
    ) -> Values:
        """The request of `update`, also for a transaction."""
        fields = fields | {"expires_at": self.expiry}
        sets = [f"#{name} = :set_{name}" for name in fields]
        sets += [f"#{name} = if_not_exists(#{name}, :set_{name})" for name in once or {}]
        adds = [f"#{name} :set_{name}" for name in add or {}]
        drops = [f"#{name} :set_{name}" for name in drop or {}]
        everything = fields | (once or {}) | (add or {}) | (drop or {})
        bound = {f":set_{name}": value for name, value in everything.items()} | (values or {})
        request: Values = {
            "TableName": self.name,
            "Key": {"pk": {"S": key}},
            "UpdateExpression": "SET "
            + ", ".join(sets)
            + (" ADD " + ", ".join(adds) if adds else "")
            + (" DELETE " + ", ".join(drops) if drops else ""),
            "ExpressionAttributeNames": {f"#{name}": name for name in everything},
            "ExpressionAttributeValues": {name: typed(value) for name, value in bound.items()},
        }
        if condition:
            request["ConditionExpression"] = condition
            if "#state" in condition:
                request["ExpressionAttributeNames"]["#state"] = "state"
        return request


# What an execution counts up.
COUNTERS = (*PROGRESS, "spans", "spans_done")


def phase_attribute(phase: Phase) -> str:
    """When a phase began; 0 where it has not."""
    return f"began_{phase}"


def job_key(job_id: str) -> str:
    """The key of a job's item."""
    return f"job#{job_id}"


def described(source: Source) -> Values:
    """What a job's item says of its source."""
    return {
        "source": source.uri,
        "version": source.version_id,
        "etag": source.etag,
        "size": source.size,
        "sequencer": source.sequencer,
        "event_time": source.event_time,
    }


def upload_of(item: Mapping[str, Any]) -> Source | None:
    """The source that `described` took apart; None where an earlier Penstock noted less of it."""
    bucket, _, key = str(item.get("source", "")).removeprefix("s3://").partition("/")
    if "sequencer" not in item or not key:
        return None
    texts = (str(item.get(name, "")) for name in ("etag", "version", "sequencer", "event_time"))
    return Source(bucket, key, int(item.get("size", 0)), *texts)


def counted(progress: Progress) -> Values:
    """Progress as attributes."""
    return asdict(progress)


def delivered(receipt: Receipt) -> Values:
    """A receipt as attributes."""
    progress = Progress(receipt.bytes_in, receipt.bytes_out, receipt.rows, receipt.rejects, receipt.dropped)
    return counted(progress) | {
        "codec": receipt.codec,
        "crc32": f"{receipt.crc32:08x}",
        "parts": receipt.parts,
        "warnings": list(receipt.warnings),
    }


def status_of(job_id: str, item: Mapping[str, Any]) -> JobStatus:
    """A job's item as a value."""
    state = JobState(item["state"])
    failure = None if state is JobState.SUCCEEDED else item.get("failure")  # an earlier attempt's
    return JobStatus(
        job_id=job_id,
        state=state,
        source=item.get("source", ""),
        route=item.get("route", ""),
        target=item.get("target", ""),
        size=int(item.get("size", 0)),
        progress=Progress(**{name: int(item.get(name, 0)) for name in PROGRESS}),
        attempts=int(item.get("attempts", 0)),
        started_at=float(item.get("started_at", 0)),
        updated_at=float(item.get("updated_at", 0)),
        finished_at=float(item.get("finished_at", 0)),
        codec=item.get("codec", ""),
        crc32=item.get("crc32", ""),
        parts=int(item.get("parts", 0)),
        warnings=tuple(item.get("warnings", ())),
        failure=Failure(**failure) if failure else None,
        execution=item.get("execution", ""),
        spans=int(item.get("spans", 0)),
        spans_done=int(item.get("spans_done", 0)),
        redrives=int(item.get("redrives", 0)),
        upload=upload_of(item),
        holder=item.get("attempt", ""),
        lease_until=float(item.get("lease_until", 0)),
        deadline_at=float(item.get("deadline_at", 0)),
        memory_peak=int(item.get("memory_peak", 0)),
        memory_size=int(item.get("memory_size", 0)),
        attempts_limit=int(item.get("attempts_limit", MAX_ATTEMPTS)),
        uploads=tuple(sorted(item.get("uploads", ()))),
        round=int(item.get("round", 0)),
        yields_to=item.get("yields_to", ""),
        aborts=int(item.get("aborts", 0)),
        sends=int(item.get("sends", 0)),
        phases=tuple((phase, began) for phase in Phase if (began := float(item.get(phase_attribute(phase), 0)))),
    )


def afresh(now: float) -> Values:
    """What a job's item says when all that an attempt has noted is over."""
    numbers = (*COUNTERS, "finished_at", "round", "aborts", "sends", "read_units", *map(phase_attribute, Phase))
    texts = ("execution", "yields_to")
    return dict.fromkeys(numbers, 0) | dict.fromkeys(texts, "") | {"warnings": [], "started_at": now, "updated_at": now}
