"""The progress of the units of an execution: the spans that it delivers, and the pieces that an index pass reads.

progress#<execution>#<stage>#<shard>   one attribute for each of 32 units: whether it is done, and its progress

DynamoDB does not add up the units: each worker sets the attribute of its own unit, so that a retry counts nothing twice
and at most 32 workers write to an item. A partition accepts 1,000 writes a second, and an item of 32 units costs two
write units: 10,000 workers that each end a span every second stay far below (`python -m benchmarks.scale`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import zip_longest
from typing import Any

from penstock.aws.backoff import Backoff
from penstock.aws.errors import translating
from penstock.aws.jobs_table.attributes import plain
from penstock.aws.jobs_table.items import PROGRESS, JobsTable
from penstock.aws.retry import attempts
from penstock.errors import ServiceUnavailableError
from penstock.model.job import Progress
from penstock.model.job_status import JobState, JobStatus, Stage
from penstock.model.member import NO_MEMBERS, MemberCounts
from penstock.model.span import delivery_of

# Units of one item.
SHARD = 32
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
BATCH = 100
ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class UnitsTotal:
    """The total progress of units, how many are done, and the time of their last update, in Unix seconds."""

    progress: Progress
    done: int
    updated_at: float


class SpanProgress:
    """Writes and reads the progress items of a jobs table."""

    def __init__(self, table: JobsTable, backoff: Backoff, sleep: Callable[[float], None]) -> None:
        self._table = table
        self._backoff = backoff
        self._sleep = sleep

    def record(self, execution: str, stage: Stage, unit: int, progress: Progress, *, done: bool) -> None:
        """Set the progress of a unit. A unit that is done does not change: writes of late attempts are ignored."""
        name = f"u{unit}"
        figures = [int(done), *_figures(progress)]
        self._table.update(
            _key(execution, stage, unit // SHARD),
            {name: figures, "updated_at": self._table.clock()},
            condition=f"attribute_not_exists(#{name}) OR #{name}[0] = :open",
            values={":open": 0},
        )

    def total(self, execution: str, stage: Stage, units: int) -> UnitsTotal:
        """Return the total of units 0 to ``units``; zero if ``units`` is 0."""
        if not units:
            return UnitsTotal(Progress(), 0, 0.0)
        keys = [{"pk": {"S": _key(execution, stage, shard)}} for shard in range(units // SHARD + 1)]
        items = [plain(item) for item in batch_get(self._table, keys, self._backoff, self._sleep)]
        found = [
            figures for item in items for name, figures in item.items() if name.startswith("u") and name[1:].isdecimal()
        ]
        # A release may add figures: workers of an older release write fewer.
        done, *sums = [sum(map(int, column)) for column in zip_longest(*found, fillvalue=0)] or [0]
        updated_at = max((float(item.get("updated_at", 0.0)) for item in items), default=0.0)
        return UnitsTotal(_progress_of(sums), done, updated_at)

    def added_to(self, status: JobStatus, read_units: int = 0) -> JobStatus:
        """Add what the units of an execution have done. A job that has succeeded has all of it on its record.

        ``read_units`` are those of its index pass.
        """
        if not status.execution or status.state is JobState.SUCCEEDED:
            return status
        read = self.total(status.execution, Stage.READ, read_units)
        delivered = self.total(delivery_of(status.execution, status.round), Stage.DELIVER, status.spans)
        return replace(
            status,
            progress=status.progress.plus(delivered.progress),
            spans_done=status.spans_done + delivered.done,
            indexed=read.progress.bytes_in,
            # Remaining time and rates are based on the last update, including those of the workers.
            updated_at=max(status.updated_at, read.updated_at, delivered.updated_at),
        )


def _figures(progress: Progress) -> list[int]:
    """Return the figures of a unit. Those of an archive's members are the last."""
    members = () if progress.members == NO_MEMBERS else astuple(progress.members)
    return [*(getattr(progress, name) for name in PROGRESS), *members]


def _progress_of(figures: Sequence[int]) -> Progress:
    own = dict(zip(PROGRESS, figures, strict=False))
    return Progress(**own, members=MemberCounts(*figures[len(PROGRESS) :]))


def batch_get(
    table: JobsTable, keys: Sequence[Any], backoff: Backoff, sleep: Callable[[float], None]
) -> Iterator[dict[str, Any]]:
    """Yield the existing items of these keys. Unprocessed keys are requested again."""
    right = f"dynamodb:BatchGetItem on table {table.name}"
    for first in range(0, len(keys), BATCH):
        request: Any = {table.name: {"Keys": keys[first : first + BATCH], "ConsistentRead": True}}
        for _ in attempts(replace(backoff, attempts=ATTEMPTS), sleep):
            with translating(right):
                answer: Any = table.client.batch_get_item(RequestItems=request)
            yield from answer["Responses"].get(table.name, ())
            request = answer.get("UnprocessedKeys")
            if not request:
                break
        else:
            raise ServiceUnavailableError(f"{right}: items are missing after {ATTEMPTS} requests")


def _key(execution: str, stage: Stage, shard: int) -> str:
    return f"progress#{execution}#{stage}#{shard}"
