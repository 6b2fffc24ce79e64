"""The failed jobs whose files are to be deleted: items ``unused#<job id>``, in the index `time_index`."""

from __future__ import annotations

from penstock.aws.jobs_table.items import JobsTable
from penstock.aws.jobs_table.time_index import unused_until
from penstock.limits import UNUSED_SECONDS


def unused_key(job_id: str) -> str:
    """Return the key of the item of a job."""
    return f"unused#{job_id}"


def note_unused(table: JobsTable, job_id: str, now: float) -> None:
    """Note that the files of a job are to be deleted, once no process can write or commit them any more."""
    table.update(unused_key(job_id), unused_until(now + UNUSED_SECONDS))
