"""The usual way to decompress an object, as tutorials write it: down to /tmp, through ``gzip``, up again."""

import gzip
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import boto3

s3 = boto3.client("s3")


def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001 - Lambda calls with both
    record = event["Records"][0]["s3"]
    bucket, key = record["bucket"]["name"], unquote_plus(record["object"]["key"])
    local = Path(tempfile.gettempdir(), "download.gz")
    s3.download_file(bucket, key, str(local))
    with gzip.open(local) as decoded:
        target = bucket.replace("source", "destination")
        s3.upload_fileobj(decoded, target, key.removesuffix(".gz"))  # type: ignore[arg-type]  # stubs want IO[bytes]
    local.unlink()
