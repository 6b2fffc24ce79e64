"""Rejected records as JSON Lines in the work bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.aws.errors import translating
from penstock.errors import DestinationMissingError
from penstock.model.record import RecordPosition, Reject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The lifecycle rule of the work bucket deletes old objects with this prefix.
PREFIX = "jobs"


class S3RejectLog:
    """One object for each name, so that a repeated write replaces it. Implements ``RejectLog`` and ``RejectReader``.

    Memory: the rejects of one chunk, each with at most RAW_LIMIT characters of raw text.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def folder(self, job_id: str) -> str:
        return f"s3://{self._bucket}/{_prefix(job_id)}"

    def write(self, job_id: str, name: str, rejects: Sequence[Reject]) -> str:
        key = f"{_prefix(job_id)}{name}.jsonl"
        body = "".join(json.dumps(reject.flat, ensure_ascii=False) + "\n" for reject in rejects)
        with translating(f"s3:PutObject on s3://{self._bucket}/{key}", missing=DestinationMissingError):
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body.encode(errors="replace"), ContentType="application/jsonl"
            )
        return self.folder(job_id)

    def read(self, job_id: str) -> Iterator[Reject]:
        folder = _prefix(job_id)
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=folder)
        with translating(f"s3:ListBucket on {self._bucket} and s3:GetObject on s3://{self._bucket}/{folder}"):
            for page in pages:
                for file in page.get("Contents", ()):
                    answer = self._client.get_object(Bucket=self._bucket, Key=file["Key"])
                    for line in answer["Body"].read().splitlines():
                        yield _read(json.loads(line))


def _prefix(job_id: str) -> str:
    return f"{PREFIX}/{job_id}/rejects/"


def _read(flat: Mapping[str, Any]) -> Reject:
    position = RecordPosition(flat["row"], flat["offset"], flat["raw"])
    return Reject(position, flat["reason"], flat["column"], flat["span"])
