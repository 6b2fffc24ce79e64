"""A streaming GET through ``gzip`` into ``upload_fileobj``: nothing on disk."""

import gzip
from typing import Any

import boto3
from benchmarks.peers.where import ends

s3 = boto3.client("s3")


class Unseekable:
    """GzipFile says that it can seek whatever is below it, and boto3 then tries."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self.read = file.read


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, target, name = ends(event)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    with gzip.GzipFile(fileobj=body) as decoded:
        s3.upload_fileobj(Unseekable(decoded), target, name)  # type: ignore[arg-type]  # stubs want IO[bytes]
