"""``download_file`` to /tmp, then psql's ``\\copy``, in a function that has the command."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import boto3
from benchmarks.peers.where import ends

s3 = boto3.client("s3")


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, *_ = ends(event)
    local = Path(tempfile.gettempdir(), "download.csv")
    s3.download_file(bucket, key, str(local))
    copy = f"\\copy sightings from '{local}' (format csv, header)"
    subprocess.run(["psql", "-qX", os.environ["PENSTOCK_POSTGRES_DSN"], "-c", copy], check=True)
    local.unlink()
