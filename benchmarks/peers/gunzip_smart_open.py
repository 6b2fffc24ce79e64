"""smart_open to smart_open, as its README has it: the suffix says what to decompress."""

import shutil
from typing import Any

from benchmarks.peers.where import ends
from smart_open import open as smart_open


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, target, name = ends(event)
    with smart_open(f"s3://{bucket}/{key}", "rb") as source, smart_open(f"s3://{target}/{name}", "wb") as sink:
        shutil.copyfileobj(source, sink)
