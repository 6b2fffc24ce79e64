"""Where files are written: they are stored while rows come, and become visible only when their span is done."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Protocol

from penstock.destinations.parquet.span_files import SpanFile
from penstock.model.data_file import DataFile

_NAME = re.compile(r"([0-9a-f]{32})-\d{5,}-\d{3,}(?:-[0-9a-f]{8})?\.parquet", re.ASCII)


class StoredFile(Protocol):
    """One file on its way. Its bytes are stored, but nobody sees it before `FileStore.publish`."""

    @property
    def uri(self) -> str: ...

    @property
    def held(self) -> int:
        """The bytes in memory that are not stored yet."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Append, and return the number of bytes. Raises the error of an earlier part."""

    def finish(self, data: DataFile) -> SpanFile:
        """Store the rest. ``data`` describes the file."""

    def discard(self) -> None:
        """Delete what is stored. Called instead of ``finish``, or after it."""


class FileStore(Protocol):
    """Files below the locations of tables. A context manager: its end waits for what is under way.

    Raises PermanentError and ServiceUnavailableError.
    """

    def open(self, uri: str, job_id: str, token: str) -> StoredFile:
        """Start a file of the attempt ``token``. Nothing is created before the first part is full."""

    def publish(self, file: SpanFile, job_id: str, token: str) -> None:
        """Make a stored file visible. Idempotent. It replaces a file of this name.

        Raises IncompleteJobError if the upload has ended without a file.
        """

    def discard(self, file: SpanFile) -> None:
        """End the upload of a file that will never be published. Does nothing if it was."""

    def sweep(self, place: str, job_id: str, span: int | None, keep: Collection[str]) -> None:
        """Delete what other attempts at a span (None: at any span) of the job have stored below a place, but not the
        uploads ``keep``. No other attempt may be able to publish any more."""

    def has_files(self, place: str, job_id: str, span: int | None) -> bool:
        """Whether a file of the job, or of one of its spans, is visible below a place.

        Raises IncompleteJobError if there are too many files to tell.
        """

    def close(self) -> None:
        """Wait for the requests under way."""


def file_name(job_id: str, span: int, number: int, attempt: str = "") -> str:
    """Return the name of a file: the same in every attempt, unless it names the ``attempt``."""
    return f"{job_id}-{span:05d}-{number:03d}{attempt and '-'}{attempt[:8]}.parquet"


def is_of_job(key: str, job_id: str, span: int | None = None) -> bool:
    """Whether a key is that of a file of a job, or of one of its spans."""
    start = f"{job_id}-" if span is None else f"{job_id}-{span:05d}-"
    return key.rpartition("/")[2].startswith(start)


def job_of(key: str) -> str:
    """Return the job that writes a file, by its name; empty for other objects."""
    match = _NAME.fullmatch(key.rpartition("/")[2])
    return match[1] if match else ""
