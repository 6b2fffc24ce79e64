"""Acts on the records of the jobs table's stream: each names a job that has ended and has an action to be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from penstock.errors import InvalidEventError, NotEnoughTimeError, PenstockError
from penstock.jobs.after.actor import AfterActor
from penstock.model.job_status import JobStatus
from penstock.model.source import Deadline

# Jobs at once: each waits for a dozen requests.
THREADS = 8
# No action is begun later than this before the end of the invocation.
MARGIN_SECONDS = 20.0
_PREFIX = "job#"


@dataclass(frozen=True, slots=True)
class Acted:
    """What became of a batch: the records of the jobs on which it acted, and the numbers of what must come again."""

    jobs: tuple[JobStatus, ...]
    returned: tuple[str, ...]
    errors: tuple[PenstockError, ...]

    @property
    def response(self) -> dict[str, object]:
        """The response of the function. Lambda delivers the batch again from the lowest of these numbers.

        https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
        """
        return {"batchItemFailures": [{"itemIdentifier": number} for number in self.returned]}


@dataclass(frozen=True, slots=True)
class AfterRecords:
    """Acts on batches of the stream. A record is a hint: what to do is read from the jobs table."""

    act: AfterActor

    def __call__(self, event: object, deadline: Deadline) -> Acted:
        """Act on each job of a batch. Raises InvalidEventError for an event that is no batch of a stream."""
        numbers = _numbers(event)

        def acted(job_id: str) -> JobStatus | PenstockError | None:
            if deadline.remaining() < MARGIN_SECONDS:
                return NotEnoughTimeError(f"job {job_id}: not begun: the time of this invocation is nearly over")
            try:
                return self.act(job_id, deadline.remaining)
            except PenstockError as error:
                return error

        with ThreadPoolExecutor(THREADS, thread_name_prefix="after") as threads:
            found = dict(zip(numbers, threads.map(acted, numbers), strict=True))
        jobs = tuple(one for one in found.values() if isinstance(one, JobStatus))
        errors = {job_id: one for job_id, one in found.items() if isinstance(one, PenstockError)}
        return Acted(jobs, tuple(numbers[job_id] for job_id in errors), tuple(errors.values()))


def _numbers(event: object) -> dict[str, str]:
    """Return the sequence number of the first record of each job."""
    match event:
        case {"Records": [*records]}:
            return _of_jobs(records)
    raise InvalidEventError("not a batch of a DynamoDB stream")


def _of_jobs(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for record in records:
        match record:
            case {"dynamodb": {"Keys": {"pk": {"S": str(key)}}, "SequenceNumber": str(number)}}:
                if key.startswith(_PREFIX):
                    found.setdefault(key.removeprefix(_PREFIX), number)
            case _:
                raise InvalidEventError("not a record of a DynamoDB stream")
    return found
