"""Bytes from any URI that smart_open reads: https, ftp, sftp, gs, azure, hdfs. Most need an extra package."""

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
_UNCHANGED = "Run the command again when the source no longer changes."

# Seconds for a connection and for each read.
TIMEOUT = 60.0

_BROKEN: tuple[type[Exception], ...] = (OSError, EOFError, HTTPError, ftplib.Error)

# The errors of optional libraries. They can only be raised once their module is loaded.
_OPTIONAL_ERRORS = (
    ("paramiko.ssh_exception", "SSHException"),
    ("google.api_core.exceptions", "GoogleAPIError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
)


class UriByteSource:
    """A URI in its current state. Implements ``ByteSource``; can be read repeatedly. Memory: a piece of 256 KiB.

    The constructor opens it to read its size and version. A broken connection is resumed at the offset reached, if the
    source is unchanged and seekable. ``unknown`` is the size of a source that does not declare one.
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
            size, self.version = _size_and_version(stream)
        self._sized = size is not None
        self.size = unknown if size is None else size

    def chunks(self) -> Generator[bytes, None, None]:
        """Raises SourceGoneError, SourceChangedError, AccessDeniedError; ServiceUnavailableError after all retries."""
        offset = 0

        def resume() -> Iterator[bytes]:
            nonlocal offset
            for piece in self._from(offset):
                offset += len(piece)
                yield piece
            if self._sized and offset < self.size:
                raise self._ended(offset)

        yield from resuming(resume, on=ServiceUnavailableError, backoff=self._backoff, sleep=self._sleep)
        if self._sized and offset > self.size:
            raise self._ended(offset)

    def _from(self, offset: int) -> Iterator[bytes]:
        with self._open() as stream:
            if _size_and_version(stream) != (self.size if self._sized else None, self.version):
                raise SourceChangedError(f"{self.shown}: the source changed while it was being read", hint=_UNCHANGED)
            if offset:
                try:
                    stream.seek(offset)
                except UnsupportedOperation as error:
                    raise ConfigurationError(
                        f"{self.shown}: the connection broke at byte {offset:,}, and it cannot be resumed: {error}",
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
                hint=f"Install the package that it needs, such as: pip install 'smart_open[{_extra(scheme)}]'",
            ) from error
        except (*_BROKEN, *_loaded()) as error:
            raise self._translated(error) from error

    def _ended(self, offset: int) -> PenstockError:
        return ServiceUnavailableError(
            f"{self.shown}: the source ended at byte {offset:,} of {self.size:,}", hint=_NETWORK
        )

    def _translated(self, error: BaseException) -> PenstockError:
        status = getattr(getattr(error, "response", None), "status_code", 0)
        message = f"{self.shown}: {HTTPStatus(status).phrase if status else _innermost(error)}"
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return AccessDeniedError(f"reading {self.shown}", hint="Add a name and password, or a token, to the URI.")
        if status == HTTPStatus.PRECONDITION_FAILED:
            return SourceChangedError(message, hint=_UNCHANGED)
        missing = isinstance(error, FileNotFoundError | ftplib.error_perm)
        busy = status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        if missing or (HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and not busy):
            return SourceGoneError(message, hint="Check the address.")
        return ServiceUnavailableError(message, hint=_NETWORK)


def shown(uri: str) -> str:
    """Return a URI that may be shown and stored: without passwords and signatures."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _size_and_version(stream: Any) -> tuple[int | None, str]:
    """Return size and version of an open stream; None and empty if it does not declare them."""
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
    """Return the first error of a chain: the later ones repeat the URI with its signatures."""
    while error.__context__:
        error = error.__context__
    return error


def _loaded() -> tuple[type[Exception], ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in _OPTIONAL_ERRORS if module in sys.modules)


def _extra(scheme: str) -> str:
    return {"gs": "gcs", "gcs": "gcs", "azure": "azure", "sftp": "ssh", "ssh": "ssh", "scp": "ssh"}.get(scheme, "all")
