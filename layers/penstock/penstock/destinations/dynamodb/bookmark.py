"""Where a span of a load goes on, noted in the jobs table: one item per span, ``load#<job id>#<span>``.

The item of span -1 is the end of the whole load: what all of its spans have loaded.
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

# The span under which the end of a job is noted, as in PostgreSQL's ledger.
WHOLE_JOB = -1

COUNTS = ("chunk", "offset", "row", "rows", "rejects")
FIELDS = "fields"


@dataclass(frozen=True, slots=True)
class DynamoBookmark:
    """The bookmark of one span. ``clock`` gives Unix seconds.

    It is written without a condition: whichever attempt writes it, everything before that place is in, and its
    counts are those of everything before it. At worst it goes back, and work is done again.
    Needs dynamodb:GetItem and dynamodb:UpdateItem on the jobs table.
    """

    client: DynamoDBClient
    table: str
    job_id: str
    span: int = 0
    retention_days: int = 90
    clock: Callable[[], float] = time.time

    def read(self) -> Resume:
        """Where to go on; the start where nothing was noted."""
        return self._find(self.span) or Resume()

    def end(self) -> Resume | None:
        """What the whole job has loaded; None where its end is not noted."""
        return self._find(WHOLE_JOB)

    def note_end(self, whole: Resume) -> None:
        """All of the job is in, and its rejects are kept."""
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

    def note(self, place: Resume) -> None:
        """All before this place is in, and its rejects are kept."""
        self._write(self.span, place)

    def _write(self, span: int, place: Resume) -> None:
        numbers = {name: getattr(place, name) for name in COUNTS}
        numbers["expires_at"] = int(self.clock()) + self.retention_days * 86_400
        values: dict[str, AttributeValueTypeDef] = {name: {"N": str(value)} for name, value in numbers.items()}
        values[FIELDS] = {"S": text_of(place.fields)}
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
