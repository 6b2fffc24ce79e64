"""The jobs table in DynamoDB: its items, and how they are written.

job#<job id>                       one job
order#<digest of source, route>    the highest sequencer that was claimed; it only grows, so an older event is detected
                                   without a transaction
load#<job id>#<span>               where a load into DynamoDB resumes
span#<execution>#<span>            the receipt of one span of an execution
content#<digest of source, route>  the job of some bytes of an unversioned bucket (see `content_claims`)
once#<digest>                      the job of the objects that a route takes for one (see `once_claims`)
upload#<upload id>                 the job that opened a multipart upload
after#<job id>                     a job whose object is to be tagged, moved or deleted (see `after_items`)
progress#<execution>#...           the progress of its spans (see `span_progress`)
commit#<id>                        the jobs whose files one commit makes visible (see `commit_store`)
unused#<job id>                    a job that has failed, and whose files are to be deleted (see `unused_items`)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.aws.jobs_table.after_items import after_of, location_of
from penstock.aws.jobs_table.attributes import plain, typed
from penstock.aws.jobs_table.commit_items import commit_of, state_of
from penstock.model.column_change import ColumnChange
from penstock.model.job import MAX_ATTEMPTS, Failure, Progress, Receipt
from penstock.model.job_status import JobState, JobStatus, Phase
from penstock.model.member import NO_MEMBERS, Member, MemberCounts
from penstock.model.object import Source
from penstock.model.serialization import from_json, from_plain, to_json, to_plain

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

Values = dict[str, Any]

# The attribute with what has become of an archive's members.
MEMBERS = "members"

# The maximum number of actions in a transaction.
TOGETHER = 100

# The attributes of the progress of a job, apart from the members of an archive.
PROGRESS = tuple(field.name for field in fields(Progress) if field.name != MEMBERS)


class JobsTable:
    """Reads items, and writes them conditionally. Each write postpones their expiry. ``clock`` returns Unix seconds."""

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
        """The expiry of an item that is written now, in Unix seconds."""
        return int(self.clock()) + self._retention

    def item(self, key: str) -> Values:
        """Read an item; empty if it does not exist."""
        with translating(f"dynamodb:GetItem on table {self.name}"):
            answer = self.client.get_item(TableName=self.name, Key={"pk": {"S": key}}, ConsistentRead=True)
        return plain(answer.get("Item", {}))

    def pages(self, request: Values) -> Iterator[Values]:
        """Yield all items of a Scan."""
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
        remove: Sequence[str] = (),
        condition: str = "",
        values: Values | None = None,
    ) -> Values | None:
        """Send one conditional UpdateItem. Returns the new item, or None if the condition does not hold.

        ``fields`` are set, ``once`` are set if absent, ``add`` is added to a number or a set, ``drop`` is removed from
        a set, ``remove`` are removed.
        """
        request = self.expression(
            key, fields, once=once, add=add, drop=drop, remove=remove, condition=condition, values=values
        )
        with translating(f"dynamodb:UpdateItem on table {self.name}"):
            try:
                answer = self.client.update_item(**request, ReturnValues="ALL_NEW")
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return None
                raise
        return plain(answer["Attributes"])

    def update_unchanged(self, status: JobStatus, fields: Values, *, add: Values | None = None) -> bool:
        """Write the item of a job, unless the job was taken, renewed or ended since it was read."""
        written = self.update(
            job_key(status.job_id),
            fields,
            add=add,
            condition="attempt = :holder AND #state = :seen AND lease_until = :lease",
            values={":holder": status.holder, ":seen": str(status.state.stored), ":lease": status.lease_until},
        )
        return written is not None

    def update_together(self, requests: Sequence[Values]) -> bool:
        """Send requests of `expression`, of at most `TOGETHER` different items, as one transaction.

        Returns False if it was cancelled, so that nothing was written: a condition does not hold, or an item is being
        written by another.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
        """
        with translating(f"dynamodb:UpdateItem on table {self.name}"):
            try:
                actions: Sequence[Any] = [{"Update": request} for request in requests]
                self.client.transact_write_items(TransactItems=actions)
            except ClientError as error:
                if code_of(error) == "TransactionCanceledException":
                    return False
                raise
        return True

    def expression(
        self,
        key: str,
        fields: Values,
        *,
        once: Values | None = None,
        add: Values | None = None,
        drop: Values | None = None,
        remove: Sequence[str] = (),
        condition: str = "",
        values: Values | None = None,
    ) -> Values:
        """Return the request of `update`, also for use in a transaction."""
        fields = {"expires_at": self.expiry} | fields
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
            + (" REMOVE " + ", ".join(f"#{name}" for name in remove) if remove else "")
            + (" ADD " + ", ".join(adds) if adds else "")
            + (" DELETE " + ", ".join(drops) if drops else ""),
            "ExpressionAttributeNames": {f"#{name}": name for name in (*everything, *remove)},
            "ExpressionAttributeValues": {name: typed(value) for name, value in bound.items()},
        }
        if condition:
            request["ConditionExpression"] = condition
            if "#state" in condition:
                request["ExpressionAttributeNames"]["#state"] = "state"
        return request


# The counters of an execution.
COUNTERS = (*PROGRESS, "spans", "spans_done")


def phase_attribute(phase: Phase) -> str:
    """Return the attribute with the start time of a phase; its value is 0 before the start."""
    return f"began_{phase}"


def job_key(job_id: str) -> str:
    """Return the key of a job's item."""
    return f"job#{job_id}"


def described(source: Source) -> Values:
    """Return the attributes of a job's source."""
    values: Values = {
        "source": source.uri,
        "version": source.version_id,
        "etag": source.etag,
        "size": source.size,
        "sequencer": source.sequencer,
        "event_time": source.event_time,
    }
    if source.listed:
        values["listed"] = True
    if source.again:
        values["again"] = source.again
    return values | ({"archive": source.archive, "member": to_json(source.member)} if source.member else {})


def upload_of(item: Mapping[str, Any]) -> Source | None:
    """Return the source that `described` stored; None if an earlier release stored less of it."""
    bucket, _, key = str(item.get("source", "")).removeprefix("s3://").partition("/")
    if "sequencer" not in item or not key:
        return None
    etag, version, sequencer, event_time = (
        str(item.get(name, "")) for name in ("etag", "version", "sequencer", "event_time")
    )
    member = from_json(Member, str(item["member"])) if "member" in item else None
    archive, size = str(item.get("archive", "")), int(item.get("size", 0))
    listed, again = bool(item.get("listed", False)), str(item.get("again", ""))
    return Source(bucket, key, size, etag, version, sequencer, event_time, archive, member, listed, again)


def counted(progress: Progress) -> Values:
    """Return the attributes of progress. A record of anything but an archive has none for members."""
    values: Values = {name: getattr(progress, name) for name in PROGRESS}
    return values if progress.members == NO_MEMBERS else values | {MEMBERS: asdict(progress.members)}


def delivered(receipt: Receipt) -> Values:
    """Return the attributes of a receipt."""
    published = {
        "result_etag": receipt.etag,
        "result_version_id": receipt.version_id,
        "repeat_of": receipt.repeat_of,
    }
    return counted(receipt.progress) | {
        "codec": receipt.codec,
        "crc32": f"{receipt.crc32:08x}",
        "parts": receipt.parts,
        "warnings": list(receipt.warnings),
        **({"changes": [to_plain(change) for change in receipt.changes]} if receipt.changes else {}),
        **{name: value for name, value in published.items() if value},
    }


def status_of(job_id: str, item: Mapping[str, Any]) -> JobStatus:
    """Return the status of a job from its item."""
    state = state_of(item)
    failure = None if state is JobState.SUCCEEDED else item.get("failure")  # an earlier attempt's
    return JobStatus(
        job_id=job_id,
        state=state,
        source=item.get("source", ""),
        route=item.get("route", ""),
        target=item.get("target", ""),
        size=int(item.get("size", 0)),
        progress=Progress(**{name: int(item.get(name, 0)) for name in PROGRESS}, members=_members_of(item)),
        attempts=int(item.get("attempts", 0)),
        started_at=float(item.get("started_at", 0)),
        updated_at=float(item.get("updated_at", 0)),
        finished_at=float(item.get("finished_at", 0)),
        codec=item.get("codec", ""),
        crc32=item.get("crc32", ""),
        parts=int(item.get("parts", 0)),
        warnings=tuple(item.get("warnings", ())),
        changes=tuple(from_plain(ColumnChange, change) for change in item.get("changes", ())),
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
        archive_job=item.get("archive_job", ""),
        after=after_of(item),
        location=location_of(item),
        result_etag=item.get("result_etag", ""),
        result_version_id=item.get("result_version_id", ""),
        repeat_of=item.get("repeat_of", ""),
        commit=commit_of(item),
        phases=tuple((phase, began) for phase in Phase if (began := float(item.get(phase_attribute(phase), 0)))),
    )


def _members_of(item: Mapping[str, Any]) -> MemberCounts:
    found = item.get(MEMBERS, {})
    return MemberCounts(**{field.name: int(found.get(field.name, 0)) for field in fields(MemberCounts)})


def reset_attributes(now: float) -> Values:
    """Return the attributes of a job that starts over: all counts and results are reset."""
    numbers = (*COUNTERS, "finished_at", "round", "aborts", "sends", "read_units", *map(phase_attribute, Phase))
    texts = ("execution", "yields_to")
    values: Values = dict.fromkeys(numbers, 0) | dict.fromkeys(texts, "")
    return values | {MEMBERS: {}, "warnings": [], "started_at": now, "updated_at": now}
