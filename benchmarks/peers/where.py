"""What an S3 notification asks of every peer: from where, to where."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus


def ends(event: dict[str, Any]) -> tuple[str, str, str, str]:
    """Bucket and key of the upload, bucket and key of the result."""
    record = event["Records"][0]["s3"]
    bucket, key = record["bucket"]["name"], unquote_plus(record["object"]["key"])
    return bucket, key, bucket.replace("source", "destination"), key.removesuffix(".gz")
