"""The usual way to take a member out of a zip: down to /tmp, through ``zipfile``, up again."""

import tempfile
import zipfile
from pathlib import Path
from typing import Any

import boto3
from benchmarks.peers.where import ends

s3 = boto3.client("s3")


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, target, _ = ends(event)
    local = Path(tempfile.gettempdir(), "download.zip")
    s3.download_file(bucket, key, str(local))
    with zipfile.ZipFile(local) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                s3.upload_fileobj(member, target, name)
    local.unlink()
