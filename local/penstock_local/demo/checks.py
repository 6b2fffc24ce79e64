"""Checks the results of the demo's jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from penstock.model.job_status import JobState, JobStatus
from penstock_local.demo.samples import CHUNK, Uploaded
from penstock_local.stack import Stack


def find_problem(stack: Stack, uploaded: Uploaded, status: JobStatus | None) -> str:
    """What is wrong with a result; empty if nothing is."""
    if status is None or not status.state.final:
        return "not finished"
    if uploaded.sample.fails:
        return _wrong_failure(stack, uploaded, uploaded.sample.fails.__name__, status)
    if status.state is not JobState.SUCCEEDED:
        return f"{status.state}: {status.failure.message if status.failure else 'no reason given'}"
    s3 = stack.client("s3")
    for key, plain in uploaded.contents():
        body = s3.get_object(Bucket=stack.destination_bucket, Key=key)["Body"]
        if sha256(body.iter_chunks(CHUNK)) != sha256(plain):
            return f"{key} differs from a plain decode"
    return ""


def unexpected_leftovers(stack: Stack, all_uploaded: Iterable[Uploaded]) -> list[str]:
    """Open uploads and unexpected objects in the destination bucket."""
    s3 = stack.client("s3")
    uploads = s3.list_multipart_uploads(Bucket=stack.destination_bucket).get("Uploads", [])
    expected = {key for uploaded in all_uploaded for key, _ in uploaded.contents()}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=stack.destination_bucket)
    found = {item["Key"] for page in pages for item in page.get("Contents", [])}
    return [f"an upload to {upload['Key']} is still open" for upload in uploads] + [
        f"{key} is an unexpected object" for key in sorted(found - expected)
    ]


def sha256(chunks: Iterable[bytes]) -> str:
    """The SHA-256 of a stream."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _wrong_failure(stack: Stack, uploaded: Uploaded, expected: str, status: JobStatus) -> str:
    if status.state is not JobState.FAILED or not status.failure or status.failure.error != expected:
        return f"must fail with {expected}, but is {status.state} ({status.failure})"
    listed = stack.client("s3").list_objects_v2(Bucket=stack.destination_bucket, Prefix=uploaded.result)
    return "failed, but published an object" if listed["KeyCount"] else ""
