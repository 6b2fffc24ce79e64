"""What a failed load has committed, and how to resume without loading anything twice."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.model.job import Receipt
from penstock.model.load import LoadEnd
from penstock.model.s3_uri import S3_SCHEME
from penstock.model.table import Mode, TablePlan
from penstock.model.wording import counted, rejected, were
from penstock.tables.chunk_builder import tables_of
from penstock.tables.field_watch import fields_left_out

# For a job whose end could not be recorded.
LOADED = "all was loaded, then the job was interrupted"


def is_staged(plan: TablePlan) -> bool:
    """Whether the rows of a load become visible all at once. A plan stages for all of its tables, or for none."""
    return any(table.staged for table in tables_of(plan))


def is_atomic(plan: TablePlan) -> bool:
    """Whether the rows are staged, and then moved by one statement."""
    return any(table.atomic for table in tables_of(plan))


def needs_order(plan: TablePlan) -> bool:
    """Whether spans must be loaded one after the other: where rows are written by key, the last row of a key wins.

    An atomic load puts its rows in order when they are moved.
    """
    return any(table.mode is Mode.UPSERT and not table.atomic for table in tables_of(plan))


def writes_by_key(plan: TablePlan) -> bool:
    """Whether loads must follow one another: where rows are written by key, those of the last load win."""
    return any(table.mode is Mode.UPSERT for table in tables_of(plan))


@dataclass(frozen=True, slots=True)
class Committed:
    """``records``: the ranges of records that are committed, empty if there are none. ``rows``: how many rows."""

    plan: TablePlan
    records: str
    rows: int

    @property
    def summary(self) -> str:
        """For a message."""
        if is_staged(self.plan):
            return f"nothing of it is visible in {table_names(self.plan)}"
        if not self.records:
            return f"nothing of it is in {table_names(self.plan)}"
        return f"{self.records} are in {table_names(self.plan)}"

    def hint(self, hint: str) -> str:
        """What to do; ``hint`` says how to remove the cause."""
        if not self.records or is_staged(self.plan):
            return hint
        if all(table.mode is Mode.UPSERT for table in tables_of(self.plan)):
            return f"{hint} The rows that are in are then written again by their key, which doubles none.".lstrip()
        if any(table.name.startswith(S3_SCHEME) for table in tables_of(self.plan)):
            return (
                f"{hint} Then redrive the job, which writes the spans that are missing. To load all of it again, first "
                "delete the files of the job: their names begin with its id."
            ).lstrip()
        rows = f"{counted(self.rows, 'row')} that {'is' if self.rows == 1 else 'are'} in {table_names(self.plan)}"
        return (
            f"{hint} First delete the {rows}, or leave their records out of the file: to load all of it again would "
            "double them. With atomic = true a file is in whole or not at all."
        ).lstrip()


def table_names(plan: TablePlan) -> str:
    """For messages."""
    return ", ".join(table.name for table in tables_of(plan))


def dropped_warning(rows: int) -> str:
    """For a receipt."""
    left_out = "left it out" if rows == 1 else "left them out"
    return f"{counted(rows, 'row')} {were(rows)} dropped by the database: a trigger or a rule of the table {left_out}"


def receipt_of_end(end: LoadEnd, job_id: str, *, codec: str, size: int) -> Receipt:
    """The receipt of a job of which only the end of the load is known. ``size``: bytes of the source."""
    total = end.total
    warnings: tuple[str, ...] = (LOADED,)
    if total.rejects:
        counts = rejected(total.rejects, of=total.rows + total.rejects + total.dropped)
        warnings += (f"{counts}: see jobs/{job_id}/rejects/",)
    if total.dropped:
        warnings += (dropped_warning(total.dropped),)
    warnings += fields_left_out(total.fields)
    return Receipt(
        bytes_in=size,
        bytes_out=total.offset,
        crc32=0,
        parts=total.chunk,
        codec=codec,
        warnings=warnings,
        rows=total.rows,
        rejects=total.rejects,
        dropped=total.dropped,
        changes=end.changes,
    )
