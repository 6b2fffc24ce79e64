"""The stream of the jobs table: every write to the record of a job, at least once, in order for each job.

https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.aws.jobs_table.attributes import plain
from penstock.aws.jobs_table.items import job_key, status_of
from penstock.errors import InvalidEventError, RequestRefusedError
from penstock.model.job_change import JobChange
from penstock.model.job_status import JobStatus

_MALFORMED = (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RequestRefusedError)


def read_changes(event: Mapping[str, Any]) -> Sequence[JobChange]:
    """Read the records of Lambda's event. A record that cannot be read is returned with its ``problem``.

    Raises InvalidEventError for an event of another source.
    """
    match event:
        case {"Records": [*records]} if all(_is_of_a_table(record) for record in records):
            return [_change(record["dynamodb"]) for record in records]
    raise InvalidEventError("not an event of a DynamoDB stream")


def _is_of_a_table(record: object) -> bool:
    match record:
        case {"eventSource": "aws:dynamodb", "dynamodb": {"SequenceNumber": str()}}:
            return True
    return False


def _change(record: Mapping[str, Any]) -> JobChange:
    number = record["SequenceNumber"]
    try:
        key = record["Keys"]["pk"]["S"]
        if not key.startswith(job_key("")):
            return JobChange(number)
        return JobChange(number, _status(key, record.get("OldImage")), _status(key, record.get("NewImage")))
    except _MALFORMED as error:
        problem = InvalidEventError(f"record {number} of the stream of the jobs table is malformed: {error!r}")
        return JobChange(number, problem=problem)


def _status(key: str, image: Mapping[str, Any] | None) -> JobStatus | None:
    return status_of(key.removeprefix(job_key("")), plain(image)) if image else None
