"""A limit: the decoder alone, from a file that is in the page cache to nowhere. The event names the file."""

from pathlib import Path
from typing import Any

from zlib_ng import zlib_ng

BLOCK = 256 * 1024


def handler(event: dict[str, Any], _context: object) -> int:
    decoder, size = zlib_ng.decompressobj(31), 0
    with Path(event["file"]).open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            while block:
                size += len(decoder.decompress(block, BLOCK))
                block = decoder.unconsumed_tail
    return size
