"""As `archive_threads`, with ``put_object``: no thread pool for each member, which has one request anyway."""

import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.peers.archive_threads import THREADS, s3
from benchmarks.peers.where import ends


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, target, _ = ends(event)
    local = Path(tempfile.gettempdir(), "download.zip")
    s3.download_file(bucket, key, str(local))
    with zipfile.ZipFile(local) as archive, ThreadPoolExecutor(THREADS) as pool:

        def send(name: str) -> None:
            s3.put_object(Bucket=target, Key=name, Body=archive.read(name))

        list(pool.map(send, archive.namelist()))
    local.unlink()
