"""The usual way to decompress an object, as tutorials write it: down to /tmp, through ``gzip``, up again."""

import gzip
import tempfile
from pathlib import Path
from typing import Any

import boto3
from benchmarks.peers.where import ends

s3 = boto3.client("s3")


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, target, name = ends(event)
    local = Path(tempfile.gettempdir(), "download.gz")
    s3.download_file(bucket, key, str(local))
    with gzip.open(local) as decoded:
        s3.upload_fileobj(decoded, target, name)  # type: ignore[arg-type]  # stubs want IO[bytes]
    local.unlink()
