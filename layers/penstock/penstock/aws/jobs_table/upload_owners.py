"""The owners of multipart uploads: an item for each upload of a job, in addition to its id on the job's record.

S3 lists the key and the initiator of an open upload, but no metadata. This item leads from the id to the job. It is
written first. If the record of the job does not name the upload afterwards, the upload will never be completed.
"""

from __future__ import annotations

from penstock.aws.jobs_table.items import JobsTable, job_key


def upload_key(upload_id: str) -> str:
    """Return the key of an upload's item."""
    return f"upload#{upload_id}"


def record_owner(table: JobsTable, upload_id: str, job_id: str) -> None:
    """Record the job of an upload."""
    table.update(upload_key(upload_id), {"job": job_id})


def owner_of(table: JobsTable, upload_id: str) -> str:
    """Return the id of the job that opened an upload; empty if none is recorded."""
    return str(table.item(upload_key(upload_id)).get("job", ""))


def forget_upload(table: JobsTable, job_id: str, upload_id: str) -> None:
    """Remove an ended upload from the record of its job, if the record exists."""
    table.update(job_key(job_id), {}, drop={"uploads": frozenset([upload_id])}, condition="attribute_exists(pk)")
