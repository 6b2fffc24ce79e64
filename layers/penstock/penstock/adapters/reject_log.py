"""Rejected records as JSON Lines in the work bucket."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.adapters.aws_errors import translating
from penstock.errors import DestinationMissingError
from penstock.records import Reject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Under this prefix the work bucket forgets what is old.
PREFIX = "jobs"


class S3RejectLog:
    """One object per name: written again, it is the same. Implements ``RejectLog``.

    Memory: the rejects of one chunk, each with at most RAW_LIMIT characters of raw text.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def write(self, job_id: str, name: str, rejects: Sequence[Reject]) -> str:
        folder = f"{PREFIX}/{job_id}/rejects/"
        key = f"{folder}{name}.jsonl"
        body = "".join(json.dumps(_described(reject), ensure_ascii=False) + "\n" for reject in rejects)
        with translating(f"s3:PutObject on s3://{self._bucket}/{key}", missing=DestinationMissingError):
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body.encode(errors="replace"), ContentType="application/jsonl"
            )
        return f"s3://{self._bucket}/{folder}"


def _described(reject: Reject) -> dict[str, object]:
    return {
        "span": reject.span,
        "row": reject.place.row,
        "offset": reject.place.offset,
        "column": reject.column,
        "reason": reject.reason,
        "raw": reject.place.raw,
    }
