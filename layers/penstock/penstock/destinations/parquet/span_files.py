"""The record of the files of a span, ``jobs/<job>/lake/<span>.json`` in the work bucket.

It decides which attempt at a span may add files. Each change is a compare-and-swap on its ETag:

- An attempt takes the record over before it writes: it is ``open`` with the attempt's token. An earlier attempt that is
  still at work can then record nothing.
- An attempt that has uploaded all of its files, and has completed none of the uploads, makes the record ``done``. This
  is the commit of the span: from here on, everyone completes these uploads, and no one loads a row.
- Once they are complete, the record is ``published``. If a file is missing then, someone else has deleted it.

Memory: about 150 bytes for each part, and for each column of each file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

from penstock.errors import LeaseLostError, ServiceUnavailableError
from penstock.model.data_file import DataFile
from penstock.model.load import Resume
from penstock.model.serialization import OMIT_DEFAULT, from_json, to_json
from penstock.model.upload import Proof

FOLDER = "lake"
OPEN, DONE, PUBLISHED = "open", "done", "published"

# Two attempts that take turns at one record. More is a sign of something else.
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class FilePart:
    """A part of an upload, in order. ``etag`` as S3 returned it."""

    etag: str
    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class SpanFile:
    """A file whose bytes are stored: an upload that is not complete before its span is done. ``crc32`` is that of the
    whole file; ``proof`` is how the service verifies the bytes. ``table`` is the table of its rows, with its UUID and
    the id of its partition spec if it is one of Iceberg."""

    data: DataFile
    upload_id: str
    parts: tuple[FilePart, ...]
    crc32: int
    proof: Proof = field(default=Proof.CRC32, metadata=OMIT_DEFAULT)
    table: str = field(default="", metadata=OMIT_DEFAULT)
    spec_id: int = field(default=0, metadata=OMIT_DEFAULT)
    table_id: str = field(default="", metadata=OMIT_DEFAULT)


@dataclass(frozen=True, slots=True)
class SpanFiles:
    """The files of one span. ``token`` is the attempt that wrote it, ``loaded`` what it has loaded. ``places`` are the
    locations of its tables, under which an attempt that was killed may have left uploads. ``is_end``: ``loaded`` is
    what all spans of the job have loaded, and this is its end. ``spec_id`` is that of the partition values, for a table
    of Iceberg. ``written_at`` is when the span was done (Unix seconds; 0: not known)."""

    token: str
    state: str = OPEN
    loaded: Resume = field(default_factory=Resume)
    files: tuple[SpanFile, ...] = ()
    places: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)
    is_end: bool = field(default=False, metadata=OMIT_DEFAULT)
    spec_id: int = field(default=0, metadata=OMIT_DEFAULT)
    written_at: float = field(default=0.0, metadata=OMIT_DEFAULT)

    @property
    def is_done(self) -> bool:
        return self.state in (DONE, PUBLISHED)

    @property
    def data_files(self) -> tuple[DataFile, ...]:
        return tuple(file.data for file in self.files)


Versioned: TypeAlias = tuple[SpanFiles, str]
"""A record, and the ETag of its file."""


class VersionedFiles(Protocol):
    """Files of the work bucket that are only changed by compare-and-swap."""

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Return a file and its ETag; None if it does not exist."""

    def swap(self, key: str, data: bytes, etag: str) -> str:
        """Write a file if its ETag is still ``etag``; empty: if it does not exist. Return the new ETag, or an empty
        text if the file has changed. If the answer of S3 is lost, it may return an empty text although it has written.
        """

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys of all files under a prefix, in order."""


@dataclass(slots=True)
class SpanRecord:
    """The record of one span, in the hands of the attempt ``token``."""

    store: VersionedFiles
    job_id: str
    span: int
    token: str
    etag: str = ""

    @property
    def key(self) -> str:
        return record_key(self.job_id, self.span)

    def read(self) -> SpanFiles | None:
        """Return the current record."""
        found = self._read()
        return found[0] if found else None

    def take_over(self, places: tuple[str, ...]) -> SpanFiles:
        """Take the record over, unless the span is done. Return it as it was before, if there was one.

        ``places`` are added to those that earlier attempts have written to.
        """
        seen: SpanFiles | None = None
        for _ in range(_ATTEMPTS):
            found = self._read()
            before, etag = found or (SpanFiles(""), "")
            if before.is_done or before.token == self.token:
                self.etag = etag
                # Its own token may stand there because the answer of S3 was lost.
                return before if before.is_done else seen or before
            seen = before
            mine = replace(before, token=self.token, places=_joined(before.places, places))
            self.etag = self.store.swap(self.key, to_json(mine).encode(), etag)
            if self.etag:
                return before
        raise ServiceUnavailableError(f"{self.key}: {_ATTEMPTS} attempts in a row took the record over")

    def find_done(self) -> SpanFiles | None:
        """Return the record if the span is done, so that `write` can say that its files are published."""
        found = self._read()
        if not found or not found[0].is_done:
            return None
        self.etag = found[1]
        return found[0]

    def write(self, record: SpanFiles) -> None:
        """Replace the record. Raises LeaseLostError if it is certain that another attempt has taken it over.

        After any other error the record may have been replaced: then the uploads that it names must be kept.
        """
        for _ in range(_ATTEMPTS):
            etag = self.store.swap(self.key, to_json(record).encode(), self.etag)
            if etag:
                self.etag = etag
                return
            found = self._read()
            if found and found[0].token == record.token and found[0].is_done >= record.is_done:
                self.etag = found[1]  # the answer of S3 was lost, or someone has published the files meanwhile
                return
            if not found or found[1] != self.etag:
                raise LeaseLostError(f"{self.key}: another attempt has taken over span {self.span}")
        raise ServiceUnavailableError(f"{self.key}: {_ATTEMPTS} writes in a row conflicted with other writes")

    def _read(self) -> Versioned | None:
        found = self.store.read(self.key)
        return (from_json(SpanFiles, found[0]), found[1]) if found else None


def record_key(job_id: str, span: int) -> str:
    """Return the key of a record."""
    return f"{folder_of(job_id)}{span:05d}.json"


def folder_of(job_id: str) -> str:
    """Return the prefix of the records of a job."""
    return f"jobs/{job_id}/{FOLDER}/"


def records_of(store: VersionedFiles, job_id: str) -> Iterator[tuple[int, SpanFiles]]:
    """Yield the records of a job in the order of spans: number and record. Memory: one record."""
    for key in store.keys(folder_of(job_id)):
        number = key.rpartition("/")[2].removesuffix(".json")
        found = store.read(key)
        if number.isdecimal() and found:
            yield int(number), from_json(SpanFiles, found[0])


def _joined(before: tuple[str, ...], places: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*before, *places)))
