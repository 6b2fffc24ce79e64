"""Where a span of a load resumes: one item of the jobs table per span, ``load#<job id>#<span>``.

The item of span -1 is the end of the load: what all spans have loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.aws.errors import translating
from penstock.destinations.field_counts import fields_of, text_of
from penstock.model.column import FieldCounts
from penstock.model.load import Resume

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

# The span number of the end of a job, as in PostgreSQL's ledger.
WHOLE_JOB = -1

COUNTS = ("chunk", "offset", "row", "rows", "rejects")
FIELDS = "fields"


@dataclass(frozen=True, slots=True)
class DynamoBookmark:
    """The bookmark of one span. ``clock`` gives Unix seconds.

    It is written without a condition. Every attempt writes a position before which everything is loaded, with the
    counts up to there. At worst the bookmark moves back, and rows are loaded again.
    Needs dynamodb:GetItem and dynamodb:UpdateItem on the jobs table.
    """

    client: DynamoDBClient
    table: str
    job_id: str
    span: int = 0
    retention_days: int = 90
    clock: Callable[[], float] = time.time

    def read(self) -> Resume:
        """Where the span resumes; the start if there is no bookmark."""
        return self._find(self.span) or Resume()

    def end(self) -> Resume | None:
        """What the job has loaded; None if its end is not recorded."""
        return self._find(WHOLE_JOB)

    def record_end(self, whole: Resume) -> None:
        """Record that all of the job is loaded, and that its rejects are written."""
        self._write(WHOLE_JOB, whole)

    def _find(self, span: int) -> Resume | None:
        with translating(f"dynamodb:GetItem on table {self.table}"):
            answer = self.client.get_item(TableName=self.table, Key=self._key(span), ConsistentRead=True)
        item = answer.get("Item")
        if not item:
            return None
        chunk, offset, row, rows, rejects = (int(item[name]["N"]) for name in COUNTS)
        fields = fields_of(item[FIELDS]["S"]) if FIELDS in item else FieldCounts()
        return Resume(chunk, offset, row, rows, rejects, fields=fields)

    def record(self, reached: Resume) -> None:
        """Record that everything before ``reached`` is loaded, and that its rejects are written."""
        self._write(self.span, reached)

    def _write(self, span: int, reached: Resume) -> None:
        numbers = {name: getattr(reached, name) for name in COUNTS}
        numbers["expires_at"] = int(self.clock()) + self.retention_days * 86_400
        values: dict[str, AttributeValueTypeDef] = {name: {"N": str(value)} for name, value in numbers.items()}
        values[FIELDS] = {"S": text_of(reached.fields)}
        with translating(f"dynamodb:UpdateItem on table {self.table}"):
            self.client.update_item(
                TableName=self.table,
                Key=self._key(span),
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
                ExpressionAttributeNames={f"#{name}": name for name in values},
                ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
            )

    def _key(self, span: int) -> dict[str, dict[str, str]]:
        return {"pk": {"S": f"load#{self.job_id}#{span}"}}
