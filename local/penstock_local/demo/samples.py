"""The files that the demo decodes, and their expected results."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import zstandard

from penstock.errors import PenstockError, TruncatedSourceError
from penstock_local.samples import accidents, cached

ROWS = 1_000_000
SMALL_ROWS = 20_000
TRUNCATED_ROWS = 40_000  # more than one part, so that a failure leaves an upload to abort
LOGS = 40  # members of the archive
CHUNK = 1024 * 1024

# Opens a file to read its decoded bytes, with the reference module instead of Penstock.
Opener = Callable[[Path], Any]
NOT_ENCODED: Opener = partial(open, mode="rb")


@dataclass(frozen=True, slots=True)
class Sample:
    """One file to upload. ``plain`` is its decoded content. ``fails`` is the expected error, if any.

    ``members``: the files in an archive, by name. Each becomes an object.
    """

    key: str
    path: Path
    opener: Opener
    fails: type[PenstockError] | None = None
    members: Mapping[str, bytes] = field(default_factory=dict)

    def plain(self) -> Iterator[bytes]:
        """The content as the reference module decodes it, at most 1 MiB at a time."""
        with self.opener(self.path) as file:
            while chunk := file.read(CHUNK):
                yield chunk


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A sample in the source bucket, the id of its job, and the key of the result; for an archive, their prefix."""

    sample: Sample
    job_id: str
    result: str

    def contents(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The expected objects: key and content."""
        if self.sample.members:
            yield from ((f"{self.result}{name}", iter((content,))) for name, content in self.sample.members.items())
        elif not self.sample.fails:
            yield self.result, self.sample.plain()


def samples(directory: Path, cache: Path, rows: int = ROWS) -> list[Sample]:
    """The big file, created once in ``cache``; a file twice as big, and small ones, created in ``directory``."""
    table = b"".join(accidents(SMALL_ROWS))
    half = len(table) // 2
    small: dict[str, tuple[bytes, Opener]] = {
        "two-members.csv.gz": (gzip.compress(table[:half]) + gzip.compress(table[half:]), gzip.open),
        "table.csv.bz2": (bz2.compress(table), bz2.open),
        "table.csv.xz": (lzma.compress(table, preset=1), lzma.open),
        "table.csv.zst": (zstandard.compress(table), zstandard.open),
        "table.csv": (table, NOT_ENCODED),
        "empty.csv": (b"", NOT_ENCODED),
        "2026/50% of a+b in Zürich.csv.gz": (gzip.compress(table), gzip.open),
    }
    truncated = gzip.compress(b"".join(accidents(TRUNCATED_ROWS)))[:-1000]
    written = [
        Sample(key, _write(directory, number, content), opener)
        for number, (key, (content, opener)) in enumerate(small.items())
    ]
    failing = Sample(
        "truncated.csv.gz", _write(directory, len(small), truncated), gzip.open, fails=TruncatedSourceError
    )
    logs = {
        f"{day:02}/service.log": b"".join(b"request %d took %d ms\n" % (n, n * day % 97) for n in range(1_000))
        for day in range(1, LOGS + 1)
    }
    archive = Sample("archives/logs.tar.gz", _write(directory, len(small) + 1, _packed(logs)), gzip.open, members=logs)
    big = Sample("accidents.csv.gz", cached("accidents", rows, cache), gzip.open)
    twice = Sample("history.csv.gz", _twice(big.path, directory / "history.sample"), gzip.open)
    return [big, twice, *written, archive, failing]


def _packed(members: Mapping[str, bytes]) -> bytes:
    """A tar.gz with these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _twice(path: Path, copy: Path) -> Path:
    """The file twice: gzip reads two members as one file."""
    with copy.open("wb") as out:
        for _ in range(2):
            with path.open("rb") as file:
                shutil.copyfileobj(file, out, CHUNK)
    return copy


def _write(directory: Path, number: int, content: bytes) -> Path:
    path = directory / f"{number}.sample"
    path.write_bytes(content)
    return path
