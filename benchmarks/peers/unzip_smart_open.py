"""``zipfile`` over the seekable file of smart_open: nothing on disk, ranges of the object are read when needed."""

import zipfile
from typing import Any

import boto3
from benchmarks.peers.where import ends
from smart_open import open as smart_open

s3 = boto3.client("s3")


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, target, _ = ends(event)
    with smart_open(f"s3://{bucket}/{key}", "rb") as source, zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                s3.upload_fileobj(member, target, name)
