"""Down to /tmp, through ``zipfile``, up again by 32 threads. The client keeps as many connections."""

import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from benchmarks.peers.where import ends
from botocore.config import Config

THREADS = 32

s3 = boto3.client("s3", config=Config(max_pool_connections=THREADS))


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, target, _ = ends(event)
    local = Path(tempfile.gettempdir(), "download.zip")
    s3.download_file(bucket, key, str(local))
    with zipfile.ZipFile(local) as archive, ThreadPoolExecutor(THREADS) as pool:

        def send(name: str) -> None:
            with archive.open(name) as member:
                s3.upload_fileobj(member, target, name)

        list(pool.map(send, archive.namelist()))
    local.unlink()
