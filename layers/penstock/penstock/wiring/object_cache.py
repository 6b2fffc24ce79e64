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
"""Is told of a name and of so many more bytes of it that have arrived, by any thread; of ``sync`` with the name ""."""


class ObjectCache:
    """Objects of ``s3://bucket/prefix`` as files under ``path``; names are relative to both.

    Equality is that of content: what is equal is not moved (a hit), what the folder or the prefix has under another
    name is copied there (a copy), and only the rest is moved (a miss). Nothing is opened before it is needed, and
    ``close`` or leaving the ``with`` block closes it; the object stays usable. Processes and threads may use caches
    of the same folder at once. It can be pickled: counts begin at 0 in the copy, which reports no progress.

    ``profile``, ``region`` and ``endpoint_url``: where they are empty, boto3's own rules apply. Memory: at most
    2 x ``threads`` parts of 8 MiB.

    Methods raise FileError for the file system's refusals and for names that no file may have, and AccessDeniedError,
    ConfigurationError, DestinationMissingError, ServiceUnavailableError and RequestRefusedError for those of S3.
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
        there = parse(f"s3://{bucket}/{prefix}")
        assert isinstance(there, Prefix)  # noqa: S101  # for mypy: it begins with s3://
        self.bucket = bucket
        self.prefix = there.prefix
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
        return f"<ObjectCache s3://{self.bucket}/{self.prefix} in {self.path}: {self._told()}>"

    def _repr_html_(self) -> str:
        return (
            f"<p><b>ObjectCache</b> <code>s3://{escape(self.bucket)}/{escape(self.prefix)}</code> "
            f"in <code>{escape(str(self.path))}</code><br>{self._told()}</p>"
        )

    @property
    def hits(self) -> int:
        """How often content was equal already."""
        return self._earlier[0] + (self._open.counts.hits if self._open else 0)

    @property
    def copies(self) -> int:
        """How often content came from another name, in the folder or in the bucket."""
        return self._earlier[1] + (self._open.counts.copies if self._open else 0)

    @property
    def misses(self) -> int:
        """How often content had to be moved."""
        return self._earlier[2] + (self._open.counts.misses if self._open else 0)

    def path_of(self, name: str) -> Path:
        """Where the file of a name is, or would be. Raises FileError for a name that would leave the folder."""
        return self.path.joinpath(*checked(name).split("/"))

    def download(self, name: str) -> Path:
        """The file with the content that the object has now. Raises SourceGoneError where there is no object."""
        path = self.path_of(name)
        self._opened().download(name, lambda size: self._tell(name, size))
        return path

    def upload(self, file: str | os.PathLike[str]) -> str:
        """Upload a file and answer its URI: a name in the cache, or the path of any other file.

        A file from elsewhere is copied into the cache under its last name. Raises FileError, and FileChangedError
        where somebody writes to the file meanwhile.
        """
        name, outside = self._named(file)
        cache = self._opened()
        if outside:
            cache.folder.clone(file_outside(outside), name)
        cache.upload(name, lambda size: self._tell(name, size))
        return cache.remote.location(name)

    def sync(self) -> Summary:
        """Download everything under the prefix that differs; files that have no object stay.

        Raises FileError at the end where single objects could not be brought; all others then were.
        """
        observer = _Observer(lambda size: self._tell("", size))
        summary = self._opened().sync(observer, self._threads)
        if observer.errors:
            raise FileError("\n".join(map(str, observer.errors)))
        return summary

    def clear(self) -> int:
        """Delete the files that the cache has brought or sent, no others, and no object; answers how many."""
        return self._opened().clear()

    def close(self) -> None:
        """Close what is open. Idempotent."""
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
        """The name in the cache, and the path of a file that is not there yet."""
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

    def _told(self) -> str:
        return f"{self.hits:,} hits, {self.copies:,} copies, {self.misses:,} misses"


_PICKLED = {"bucket", "prefix", "path", "_service", "_threads"}


class _Observer:
    """Implements ``Observer``."""

    def __init__(self, moved: Callable[[int], None]) -> None:
        self.moved = moved
        self.errors: list[SyncError] = []

    def planned(self, size: int) -> None:
        """Bytes are told of as they arrive."""

    def done(self, step: Step) -> None:
        """Counts tell it."""

    def failed(self, error: SyncError) -> None:
        self.errors.append(error)
