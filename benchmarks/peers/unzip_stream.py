"""A streaming GET through stream-unzip into ``upload_fileobj``: nothing on disk, members in the order of the zip."""

import io
from collections.abc import Iterator
from typing import Any

import boto3
from benchmarks.peers.where import ends
from stream_unzip import stream_unzip

s3 = boto3.client("s3")
CHUNK = 65_536


class Pieces(io.RawIOBase):
    """An iterator of pieces as a file, as its README leaves to the reader."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, target, _ = ends(event)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    for name, _size, pieces in stream_unzip(body.iter_chunks(CHUNK)):
        s3.upload_fileobj(io.BufferedReader(Pieces(pieces), CHUNK), target, name.decode())
