"""The index ``by_time`` of the jobs table: which jobs are unfinished, and which have ended on a day.

It is one index for both, because CloudFormation adds only one with an update. A key has eight shards, so that a burst
of jobs does not write to one partition.

index_key                     index_time
open#<shard>                  when the reconciler has to look at the job next
ended#<YYYY-MM-DD>#<shard>    when it ended

Heartbeats leave both alone, so that they cost what they did: the reconciler reads the record of a job that is due, and
moves ``index_time`` on while its lease runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

NAME = "by_time"
SHARDS = 8


def open_until(job_id: str, due: float) -> dict[str, object]:
    """What the item of an unfinished job says: look at it at ``due``, in Unix seconds."""
    return {"index_key": f"open#{_shard(job_id)}", "index_time": due}


def ended_at(job_id: str, now: float) -> dict[str, object]:
    """What the item of a job says that ended at ``now``."""
    day = datetime.fromtimestamp(now, UTC).date()
    return {"index_key": f"ended#{day}#{_shard(job_id)}", "index_time": now}


def open_keys() -> Sequence[str]:
    """Under which keys the unfinished jobs stand."""
    return [f"open#{shard}" for shard in range(SHARDS)]


def ended_keys(since: float, until: float) -> Sequence[str]:
    """Under which keys those stand that ended between two moments, in Unix seconds."""
    first, last = (datetime.fromtimestamp(at, UTC).date() for at in (since, until))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [f"ended#{day}#{shard}" for day in days for shard in range(SHARDS)]


def table_schema() -> Mapping[str, object]:
    """What `CreateTable` is told of keys and index, as template.yaml has it."""
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
    """By the first digit of an id, which is a digest."""
    return int(job_id[0], 16) % SHARDS
