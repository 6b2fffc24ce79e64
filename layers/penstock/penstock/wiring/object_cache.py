"""A folder as a cache of a prefix in S3, for notebooks and scripts.

from penstock.sync import ObjectCache

with ObjectCache("bucket", "datasets/2026", "~/datasets") as cache:
    table = pandas.read_csv(cache.download("sales.csv"))
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from html import escape
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeAlias

from penstock.errors import FileError
from penstock.sync.cache import Cache, checked
from penstock.sync.locations import Prefix, parse
from penstock.sync.model import SyncError
from penstock.sync.run import Step, Summary
from penstock.wiring.sync import Service, file_outside, object_cache

__all__ = ["ObjectCache", "OnProgress", "Summary"]

OnProgress: TypeAlias = Callable[[str, int], None]
"""Called by any thread with a name and the number of bytes transferred; by ``sync`` with the name ""."""


class ObjectCache:
    """Objects of ``s3://bucket/prefix`` as files under ``path``; names are relative to both.

    Content decides: equal content is not transferred (a hit), content that the folder or the prefix has under another
    name is copied there (a copy), and only other content is transferred (a miss). Files and connections are opened
    when needed; ``close`` or the end of the ``with`` block closes them. The object stays usable. Processes and threads
    may use caches of the same folder at once. It can be pickled; the copy counts from 0 and reports no progress.

    ``profile``, ``region`` and ``endpoint_url``: if they are empty, boto3's own rules apply. Memory: at most
    2 x ``threads`` parts of 8 MiB.

    Methods raise FileError for errors of the file system and for invalid file names, and AccessDeniedError,
    ConfigurationError, DestinationMissingError, ServiceUnavailableError and RequestRefusedError for errors of S3.
    """

    _open: Cache | None

    def __init__(
        self,
        bucket: str,
        prefix: str,
        path: str | os.PathLike[str],
        *,
        profile: str = "",
        region: str = "",
        endpoint_url: str = "",
        threads: int = 8,
        progress: OnProgress | None = None,
    ) -> None:
        location = parse(f"s3://{bucket}/{prefix}")
        assert isinstance(location, Prefix)  # noqa: S101  # for mypy: it begins with s3://
        self.bucket = bucket
        self.prefix = location.prefix
        self.path = Path(path).expanduser().absolute()
        self._service = Service(profile, region, endpoint_url)
        self._threads = threads
        self._begin(progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name in _PICKLED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin(None)

    def __repr__(self) -> str:
        return f"<ObjectCache s3://{self.bucket}/{self.prefix} in {self.path}: {self._counts()}>"

    def _repr_html_(self) -> str:
        return (
            f"<p><b>ObjectCache</b> <code>s3://{escape(self.bucket)}/{escape(self.prefix)}</code> "
            f"in <code>{escape(str(self.path))}</code><br>{self._counts()}</p>"
        )

    @property
    def hits(self) -> int:
        """The number of files whose content was already equal."""
        return self._earlier[0] + (self._open.counts.hits if self._open else 0)

    @property
    def copies(self) -> int:
        """The number of files copied from another name, in the folder or in the bucket."""
        return self._earlier[1] + (self._open.counts.copies if self._open else 0)

    @property
    def misses(self) -> int:
        """The number of files transferred."""
        return self._earlier[2] + (self._open.counts.misses if self._open else 0)

    def path_of(self, name: str) -> Path:
        """Return the path for a name; the file need not exist. Raises FileError for a name that leaves the folder."""
        return self.path.joinpath(*checked(name).split("/"))

    def download(self, name: str) -> Path:
        """Return the file, with the object's current content. Raises SourceGoneError if there is no object."""
        path = self.path_of(name)
        self._opened().download(name, lambda size: self._tell(name, size))
        return path

    def upload(self, file: str | os.PathLike[str]) -> str:
        """Upload a file and return its URI. ``file`` is a name in the cache, or the path of any other file.

        A file from outside is first copied into the cache under its file name. Raises FileError, and FileChangedError
        if the file changes meanwhile.
        """
        name, outside = self._named(file)
        cache = self._opened()
        if outside:
            cache.folder.clone(file_outside(outside), name)
        cache.upload(name, lambda size: self._tell(name, size))
        return cache.remote.location(name)

    def sync(self) -> Summary:
        """Download every object under the prefix that differs; files without an object stay.

        Raises FileError at the end if some objects could not be downloaded; all others are downloaded.
        """
        observer = _Observer(lambda size: self._tell("", size))
        summary = self._opened().sync(observer, self._threads)
        if observer.errors:
            raise FileError("\n".join(map(str, observer.errors)))
        return summary

    def clear(self) -> int:
        """Delete only the files that the cache has transferred, and no object; return their number."""
        return self._opened().clear()

    def close(self) -> None:
        """Close files and connections. Idempotent."""
        with self._lock:
            self._earlier = (self.hits, self.copies, self.misses)
            self._open = None
            self._stack.close()

    def _begin(self, progress: OnProgress | None) -> None:
        self._progress = progress
        self._lock = Lock()
        self._stack = ExitStack()
        self._open = None
        self._earlier = (0, 0, 0)

    def _opened(self) -> Cache:
        with self._lock:
            if self._open is None:
                self._open = self._stack.enter_context(
                    object_cache(self.bucket, self.prefix, str(self.path), self._service, self._threads)
                )
            return self._open

    def _named(self, file: str | os.PathLike[str]) -> tuple[str, str]:
        """Return the name in the cache, and the path of a file from outside, which must be copied first."""
        path = Path(file).expanduser()
        if isinstance(file, str) and not path.is_absolute() and self.path.joinpath(path).exists():
            return checked(file), ""
        path = path.absolute()
        if path.is_relative_to(self.path):
            return checked(path.relative_to(self.path).as_posix()), ""
        return checked(path.name), str(path)

    def _tell(self, name: str, size: int) -> None:
        if self._progress:
            self._progress(name, size)

    def _counts(self) -> str:
        return f"{self.hits:,} hits, {self.copies:,} copies, {self.misses:,} misses"


_PICKLED = {"bucket", "prefix", "path", "_service", "_threads"}


class _Observer:
    """Implements ``Observer``."""

    def __init__(self, moved: Callable[[int], None]) -> None:
        self.moved = moved
        self.errors: list[SyncError] = []

    def planned(self, size: int) -> None:
        """Ignored: ``moved`` reports the bytes."""

    def done(self, step: Step) -> None:
        """Ignored: the counts include it."""

    def failed(self, error: SyncError) -> None:
        self.errors.append(error)
