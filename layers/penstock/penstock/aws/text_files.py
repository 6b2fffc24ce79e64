"""Small text files from disk or S3."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import url2pathname

from penstock.aws.errors import translating
from penstock.errors import ConfigurationError
from penstock.limits import MIB

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_BYTES = MIB


class UriTexts:
    """Implements ``Texts``. ``connect`` creates the client for ``s3://``.

    Memory: the file, at most 1 MiB, twice.
    """

    def __init__(self, connect: Callable[[], S3Client]) -> None:
        self._connect = connect

    def read(self, uri: str) -> str:
        """Raises ConfigurationError for a file that is missing, too large or not UTF-8.

        Raises AccessDeniedError and ServiceUnavailableError as S3 does.
        """
        try:
            with translating(f"s3:GetObject on {uri}", missing=lambda message: _missing(uri, message)):
                return self._bytes(uri).decode()
        except OSError as error:
            raise ConfigurationError(f"{uri}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{uri}: {error}") from error

    def _bytes(self, uri: str) -> bytes:
        scheme, separator, location = uri.partition("://")
        if separator and scheme not in ("file", "s3"):
            raise ConfigurationError(f"{uri} is not a path, a file:// URI or an s3:// URI")
        if scheme == "s3" and separator:
            return self._object(uri, *location.split("/", 1))
        path = Path(url2pathname(location) if separator else uri)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        _check_size(uri, len(data))
        return data

    def _object(self, uri: str, bucket: str, key: str = "") -> bytes:
        if not key:
            raise ConfigurationError(f"{uri} has no object key")
        answer = self._connect().get_object(Bucket=bucket, Key=key)
        with closing(answer["Body"]) as body:
            _check_size(uri, answer["ContentLength"])
            return body.read()


def _missing(uri: str, message: str) -> ConfigurationError:
    return ConfigurationError(message, hint=f"Write the file to {uri}, or correct the setting that names it.")


def _check_size(uri: str, size: int) -> None:
    if size > MAX_BYTES:
        raise ConfigurationError(f"{uri} is larger than {MAX_BYTES:,} bytes")
