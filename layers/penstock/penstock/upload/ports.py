"""What an upload needs: a source, a service, a state file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from penstock.aws.s3.body_port import Body, Moved
from penstock.model.object import Content, Published, Target
from penstock.model.upload import ExistingObject, ExistingPart, FileIdentity, OpenUpload, SentPart, Unfinished


class LocalSource(Protocol):
    """A file of this machine, open: what stood under its path when it was opened.

    Raises FileError, and FileChangedError once it is not what it was.
    """

    @property
    def path(self) -> str:
        """Absolute."""

    @property
    def identity(self) -> FileIdentity: ...

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill a buffer with the bytes from ``offset`` on. Used by several threads at once."""

    def check(self) -> None:
        """See whether the file is still the one that was opened."""


class UploadService(Protocol):
    """Uploads in parts that any process may go on with. Raises PermanentError and ServiceUnavailableError."""

    def begin(self, target: Target, content: Content) -> OpenUpload:
        """Open an upload; where the service cannot prove the whole by its CRC32, each part is proven by its MD5."""

    def parts(self, upload: OpenUpload) -> Mapping[int, ExistingPart] | None:
        """Every part that the service has, by number; None when the upload was completed, aborted or has expired."""

    def send(self, upload: OpenUpload, number: int, body: Body, *, crc32: int, moved: Moved) -> str:
        """Send a part, of which the service proves that it is what was meant; its ETag."""

    def complete(self, upload: OpenUpload, parts: Sequence[SentPart], *, crc32: int) -> Published | None:
        """Make all parts, in order, the object; None when the upload is gone."""

    def abort(self, upload: OpenUpload) -> None:
        """Abort an upload, or find it gone."""

    def put(self, target: Target, content: Content, body: Body, *, crc32: int, moved: Moved) -> Published:
        """Send a small object in one request."""

    def existing(self, target: Target) -> ExistingObject | None:
        """What stands at a destination; None where nothing does."""

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Unfinished]:
        """Every upload under a prefix that was neither completed nor aborted."""


class StateFile(Protocol):
    """A small file on this machine's disk that survives a crash, held by this process alone."""

    @property
    def path(self) -> str: ...

    def load(self) -> str | None:
        """What was saved last; None if nothing was. Raises StateFileError when it is no text."""

    def save(self, text: str) -> None:
        """Replace all of it; after a crash it holds either this or what it held. Raises FileError."""

    def remove(self) -> None: ...


class TransferProgress(Protocol):
    """Whoever wants to know how far a transfer is. Used by several threads at once."""

    def add(self, size: int) -> None:
        """So many bytes were moved."""

    def skip(self, size: int) -> None:
        """So many bytes need not be moved."""

    def tell(self, line: str) -> None:
        """Something that a person should know."""
