"""What the demo uploads, and what must come of it."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import zstandard

from penstock.errors import PenstockError, TruncatedSourceError
from penstock_local.samples import accidents, cached

ROWS = 1_000_000
SMALL_ROWS = 20_000
TRUNCATED_ROWS = 40_000  # more than one part, so that failing leaves an upload to clean up
CHUNK = 1024 * 1024

# Opens a file for reading its decoded bytes: the reference modules, not ours.
Opener = Callable[[Path], Any]
AS_IS: Opener = partial(open, mode="rb")


@dataclass(frozen=True, slots=True)
class Sample:
    """One file to upload: ``plain`` is what it decodes to, ``fails`` why it cannot be."""

    key: str
    path: Path
    opener: Opener
    fails: type[PenstockError] | None = None

    def plain(self) -> Iterator[bytes]:
        """What the reference module makes of it, at most 1 MiB at a time."""
        with self.opener(self.path) as file:
            while chunk := file.read(CHUNK):
                yield chunk


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A sample that lies in the source bucket, the id of the job it started, and the key of the result."""

    sample: Sample
    job_id: str
    result: str


def samples(directory: Path, cache: Path, rows: int = ROWS) -> list[Sample]:
    """The big file, made once into ``cache``; twice as much in one; and small ones. Made anew into ``directory``."""
    table = b"".join(accidents(SMALL_ROWS))
    half = len(table) // 2
    made: dict[str, tuple[bytes, Opener]] = {
        "two-members.csv.gz": (gzip.compress(table[:half]) + gzip.compress(table[half:]), gzip.open),
        "table.csv.bz2": (bz2.compress(table), bz2.open),
        "table.csv.xz": (lzma.compress(table, preset=1), lzma.open),
        "table.csv.zst": (zstandard.compress(table), zstandard.open),
        "table.csv": (table, AS_IS),
        "empty.csv": (b"", AS_IS),
        "2026/50% of a+b in Zürich.csv.gz": (gzip.compress(table), gzip.open),
    }
    truncated = gzip.compress(b"".join(accidents(TRUNCATED_ROWS)))[:-1000]
    written = [
        Sample(key, _write(directory, number, content), how)
        for number, (key, (content, how)) in enumerate(made.items())
    ]
    failing = Sample("truncated.csv.gz", _write(directory, len(made), truncated), gzip.open, fails=TruncatedSourceError)
    big = Sample("accidents.csv.gz", cached("accidents", rows, cache), gzip.open)
    twice = Sample("history.csv.gz", _twice(big.path, directory / "history.sample"), gzip.open)
    return [big, twice, *written, failing]


def _twice(path: Path, copy: Path) -> Path:
    """Two members are one file to gzip."""
    with copy.open("wb") as out:
        for _ in range(2):
            with path.open("rb") as file:
                shutil.copyfileobj(file, out, CHUNK)
    return copy


def _write(directory: Path, number: int, content: bytes) -> Path:
    path = directory / f"{number}.sample"
    path.write_bytes(content)
    return path
