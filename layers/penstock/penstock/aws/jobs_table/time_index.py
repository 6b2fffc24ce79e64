"""The index ``by_time`` of the jobs table: the unfinished jobs, and the jobs that ended on a day.

Both share one index, because CloudFormation adds only one index with an update. A key has eight shards, so that a burst
of jobs does not write to one partition.

index_key                     index_time
open#<shard>                  when the reconciler must check the job next
ended#<YYYY-MM-DD>#<shard>    when it ended
after#<shard>                 when the reconciler must check whether the object of a job was tagged, moved or deleted
unused#0                      when the files of a failed job may be deleted

Heartbeats change neither attribute, so that they cost no writes to the index: the reconciler reads the record of a due
job, and postpones ``index_time`` while its lease is valid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

NAME = "by_time"
SHARDS = 8
# Few jobs have such an item, and each shard is a query in each run of the reconciler.
AFTER_SHARDS = 2
UNUSED = "unused#0"


def open_until(job_id: str, due: float) -> dict[str, object]:
    """Return the attributes of an unfinished job that must be checked at ``due``, in Unix seconds."""
    return {"index_key": f"open#{_shard(job_id)}", "index_time": due}


def ended_at(job_id: str, now: float) -> dict[str, object]:
    """Return the attributes of a job that ended at ``now``."""
    day = datetime.fromtimestamp(now, UTC).date()
    return {"index_key": f"ended#{day}#{_shard(job_id)}", "index_time": now}


def after_until(job_id: str, due: float) -> dict[str, object]:
    """Return the attributes of an item ``after#<job id>`` that must be checked at ``due``, in Unix seconds."""
    return {"index_key": f"after#{_shard(job_id) % AFTER_SHARDS}", "index_time": due}


def unused_until(due: float) -> dict[str, object]:
    """Return the attributes of an item ``unused#<job id>`` that must be looked at at ``due``, in Unix seconds."""
    return {"index_key": UNUSED, "index_time": due}


def after_keys() -> Sequence[str]:
    """Return the index keys of these items."""
    return [f"after#{shard}" for shard in range(AFTER_SHARDS)]


def open_keys() -> Sequence[str]:
    """Return the index keys of unfinished jobs."""
    return [f"open#{shard}" for shard in range(SHARDS)]


def ended_keys(since: float, until: float) -> Sequence[str]:
    """Return the index keys of jobs that ended between two times, in Unix seconds."""
    return [key for day in days_of(since, until) for key in ended_keys_of(day)]


def ended_keys_of(day: date) -> Sequence[str]:
    """Return the index keys of jobs that ended on a day, in UTC."""
    return [f"ended#{day}#{shard}" for shard in range(SHARDS)]


def days_of(since: float, until: float) -> Sequence[date]:
    """Return the days between two times in Unix seconds, in UTC; the first and the last may be parts of days."""
    first, last = (datetime.fromtimestamp(at, UTC).date() for at in (since, until))
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def table_schema() -> Mapping[str, object]:
    """Return the arguments of `CreateTable` for keys and index, as in template.yaml."""
    kinds = {"pk": "S", "index_key": "S", "index_time": "N"}
    return {
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": NAME,
                "KeySchema": [
                    {"AttributeName": "index_key", "KeyType": "HASH"},
                    {"AttributeName": "index_time", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }


def _shard(job_id: str) -> int:
    """Return the shard of a job id, a digest, by its first digit."""
    return int(job_id[0], 16) % SHARDS
