"""Small text files from disk or S3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from penstock.adapters.aws_errors import translating
from penstock.errors import ConfigurationError
from penstock.limits import MIB

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_BYTES = MIB


class UriTexts:
    """Implements ``Texts``. ``connect`` gives the client for ``s3://``; without it, smart_open makes one.

    Memory: the file, at most 1 MiB, twice.
    """

    def __init__(self, connect: Callable[[], S3Client] | None = None) -> None:
        self._connect = connect

    def read(self, uri: str) -> str:
        """Raises ConfigurationError for what is missing, too large or no UTF-8, and AccessDeniedError and
        ServiceUnavailableError when S3 says so."""
        try:
            with translating(f"s3:GetObject on {uri}", missing=ConfigurationError):
                data = self._bytes(uri)
            if len(data) > MAX_BYTES:
                raise ConfigurationError(f"{uri} is larger than {MAX_BYTES:,} bytes")
            return data.decode()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{uri}: {error}") from error

    def _bytes(self, uri: str) -> bytes:
        scheme, separator, _ = uri.partition("://")
        if not separator:
            with Path(uri).open("rb") as file:
                return file.read(MAX_BYTES + 1)
        if scheme not in ("file", "s3"):
            raise ConfigurationError(f"{uri}: neither a path nor file:// nor s3://")

        import smart_open  # noqa: PLC0415  (5 MB and 66 ms that a packaged file does not need)

        parameters = {"client": self._connect()} if scheme == "s3" and self._connect else {}
        try:
            with smart_open.open(uri, "rb", compression="disable", transport_params=parameters) as stream:
                data: bytes = stream.read(MAX_BYTES + 1)
                return data
        except OSError as error:
            # smart_open wraps what S3 answered, and with it whether trying again helps.
            if isinstance(error.__cause__, ClientError):
                raise error.__cause__ from None
            raise
