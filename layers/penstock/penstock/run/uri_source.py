"""Bytes from wherever smart_open reads: https, ftp, sftp, gs, azure, hdfs, as far as what each needs is installed."""

from __future__ import annotations

import ftplib
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from io import SEEK_END, UnsupportedOperation
from typing import Any
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from penstock.aws.backoff import Backoff
from penstock.aws.retry import resuming
from penstock.errors import (
    AccessDeniedError,
    ConfigurationError,
    PenstockError,
    ServiceUnavailableError,
    SourceChangedError,
    SourceGoneError,
)
from penstock.limits import KIB

PIECE = 256 * KIB

_NETWORK = "Check the network and the address, then run the command again."

# Seconds for a connection and for each read.
TIMEOUT = 60.0

_BROKEN: tuple[type[Exception], ...] = (OSError, EOFError, HTTPError, ftplib.Error)

# Those of libraries that need not be installed: one can only be raised once its module is loaded.
_ELSEWHERE = (
    ("paramiko.ssh_exception", "SSHException"),
    ("google.api_core.exceptions", "GoogleAPIError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
)


class UriByteSource:
    """What a URI names, as it is now. Implements ``ByteSource``, as often as it is asked. Memory: a piece of 256 KiB.

    It is opened to find out its size and version. What breaks in the middle is read again from there, if it is still
    the same and can be entered. ``unknown`` is the size where there is no telling.
    """

    def __init__(
        self,
        uri: str,
        unknown: int,
        *,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._uri = uri
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self.shown = shown(uri)
        with self._open() as stream:
            size, self.version = _facts(stream)
        self._sized = size is not None
        self.size = unknown if size is None else size

    def chunks(self) -> Generator[bytes, None, None]:
        """Raises SourceGoneError, SourceChangedError, AccessDeniedError, and at last ServiceUnavailableError."""
        offset = 0

        def rest() -> Iterator[bytes]:
            nonlocal offset
            for piece in self._from(offset):
                offset += len(piece)
                yield piece
            if self._sized and offset < self.size:
                raise self._ended(offset)

        yield from resuming(rest, on=ServiceUnavailableError, backoff=self._backoff, sleep=self._sleep)
        if self._sized and offset > self.size:
            raise self._ended(offset)

    def _from(self, offset: int) -> Iterator[bytes]:
        with self._open() as stream:
            if _facts(stream) != (self.size if self._sized else None, self.version):
                raise SourceChangedError(
                    f"{self.shown}: is no longer what it was", hint="Run the command again once it stays the same."
                )
            if offset:
                try:
                    stream.seek(offset)
                except UnsupportedOperation as error:
                    raise ConfigurationError(
                        f"{self.shown}: broke off at byte {offset:,}, and cannot be entered there: {error}",
                        hint="Download the file first.",
                    ) from error
            while piece := stream.read(PIECE):
                yield piece

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import smart_open  # noqa: PLC0415  # 66 ms that a local file does not need

        scheme = urlsplit(self._uri).scheme
        parameters = {"timeout": TIMEOUT} if scheme in ("http", "https") else {}
        try:
            with smart_open.open(self._uri, "rb", compression="disable", transport_params=parameters) as stream:
                yield stream
        except (NotImplementedError, ImportError) as error:
            raise ConfigurationError(
                f"{self.shown}: {scheme}:// cannot be read here",
                hint=f"Install what it needs, such as: pip install 'smart_open[{_extra(scheme)}]'",
            ) from error
        except (*_BROKEN, *_loaded()) as error:
            raise self._told(error) from error

    def _ended(self, offset: int) -> PenstockError:
        return ServiceUnavailableError(f"{self.shown}: ended at byte {offset:,} of {self.size:,}", hint=_NETWORK)

    def _told(self, error: BaseException) -> PenstockError:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        said = f"{self.shown}: {HTTPStatus(status).phrase if status else _innermost(error)}"
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return AccessDeniedError(f"reading {self.shown}", hint="Put name and password, or a token, into the URI.")
        if status == HTTPStatus.PRECONDITION_FAILED:
            return SourceChangedError(said, hint="Run the command again once it stays the same.")
        missing = isinstance(error, FileNotFoundError | ftplib.error_perm)
        busy = status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        if missing or (HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and not busy):
            return SourceGoneError(said, hint="Check the address.")
        return ServiceUnavailableError(said, hint=_NETWORK)


def shown(uri: str) -> str:
    """A URI as it may be told and kept: without passwords and signatures."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _facts(stream: Any) -> tuple[int | None, str]:
    """Size and version of an open stream; None and empty where it does not say."""
    response = getattr(stream, "response", None)
    if response is not None:
        headers = response.headers
        length = headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None, headers.get("ETag") or headers.get("Last-Modified", "")
    with suppress(AttributeError, UnsupportedOperation):
        status = stream.stat()
        return status.st_size, str(status.st_mtime)
    with suppress(AttributeError, UnsupportedOperation):
        size = stream.seek(0, SEEK_END)
        stream.seek(0)
        return size, ""
    return None, ""


def _innermost(error: BaseException) -> BaseException:
    """What it all began with: what was made of it repeats the URI, signatures included."""
    while error.__context__:
        error = error.__context__
    return error


def _loaded() -> tuple[type[Exception], ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in _ELSEWHERE if module in sys.modules)


def _extra(scheme: str) -> str:
    return {"gs": "gcs", "gcs": "gcs", "azure": "azure", "sftp": "ssh", "ssh": "ssh", "scp": "ssh"}.get(scheme, "all")
