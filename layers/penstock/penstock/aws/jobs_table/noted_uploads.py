"""Whose multipart uploads are: an item for each that a job has opened, beside the id on the job's own record.

S3 tells of an open upload its key and who began it, but no metadata: from its id alone, this item leads to the job. It
is written first. Where the job's record then does not name the upload, nobody will ever complete it.
"""

from __future__ import annotations

from penstock.aws.jobs_table.items import JobsTable, job_key


def upload_key(upload_id: str) -> str:
    """The key of an upload's item."""
    return f"upload#{upload_id}"


def note_owner(table: JobsTable, upload_id: str, job_id: str) -> None:
    """Note whose an upload is."""
    table.update(upload_key(upload_id), {"job": job_id})


def owner_of(table: JobsTable, upload_id: str) -> str:
    """The job that opened an upload; empty where nobody noted it."""
    return str(table.item(upload_key(upload_id)).get("job", ""))


def forget_upload(table: JobsTable, job_id: str, upload_id: str) -> None:
    """Take an upload that has ended off the record of its job, if there is one."""
    table.update(job_key(job_id), {}, drop={"uploads": frozenset([upload_id])}, condition="attribute_exists(pk)")
