"""The ports of an upload: a source, a service, a state file, progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from penstock.aws.s3.body_port import Body, Moved
from penstock.model.object import Content, Published, Target
from penstock.model.upload import ExistingObject, ExistingPart, FileIdentity, OpenUpload, SentPart, Unfinished


class LocalSource(Protocol):
    """An open local file: the one that its path named when it was opened.

    Raises FileError, and FileChangedError after the file has changed.
    """

    @property
    def path(self) -> str:
        """The absolute path."""

    @property
    def identity(self) -> FileIdentity: ...

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill a buffer with the bytes from ``offset`` on. Used by several threads at once."""

    def check(self) -> None:
        """Check that the path still names the opened file, unchanged."""


class UploadService(Protocol):
    """Multipart uploads that any process can resume. Raises PermanentError and ServiceUnavailableError."""

    def begin(self, target: Target, content: Content) -> OpenUpload:
        """Create an upload. If the service cannot verify the object by its CRC32, each part is verified by its MD5."""

    def parts(self, upload: OpenUpload) -> Mapping[int, ExistingPart] | None:
        """List the uploaded parts by number; None if the upload was completed or aborted, or has expired."""

    def send(self, upload: OpenUpload, number: int, body: Body, *, crc32: int, moved: Moved) -> str:
        """Send a part, which the service verifies; return its ETag."""

    def complete(self, upload: OpenUpload, parts: Sequence[SentPart], *, crc32: int) -> Published | None:
        """Complete the upload with all parts, in order; None if the upload no longer exists."""

    def abort(self, upload: OpenUpload) -> bool:
        """Abort an upload. Returns False if it no longer exists."""

    def put(self, target: Target, content: Content, body: Body, *, crc32: int, moved: Moved) -> Published:
        """Send a small object in one request."""

    def existing(self, target: Target) -> ExistingObject | None:
        """Return the object at a destination, or None."""

    def unfinished(self, bucket: str, prefix: str) -> Sequence[Unfinished]:
        """List the uploads under a prefix that were neither completed nor aborted."""


class StateFile(Protocol):
    """A small local file that survives a crash, locked by this process."""

    @property
    def path(self) -> str: ...

    def load(self) -> str | None:
        """Return the saved text, or None. Raises StateFileError if the file is not text."""

    def save(self, text: str) -> None:
        """Replace the text. After a crash the file holds the new or the previous text. Raises FileError."""

    def remove(self) -> None: ...


class TransferProgress(Protocol):
    """Follows a transfer. Used by several threads at once."""

    def add(self, size: int) -> None:
        """Called with the number of bytes sent; negative when bytes must be resent."""

    def skip(self, size: int) -> None:
        """Called with the number of bytes that need not be sent."""

    def tell(self, line: str) -> None:
        """Called with a notice for the user."""
