"""Transfer one file to the other tree, with its metadata."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from penstock.sync.cached_digests import CachedMetadata, Digests
from penstock.sync.model import MTIME, SHA256, File, LocalFile, RemoteFile
from penstock.sync.ports import Receiver


class Transfer(Protocol):
    """Transfers files to a tree. ``deliver`` raises the errors of ``Receiver.put``."""

    def deliver(self, file: File, name: str, moved: Callable[[int], None]) -> None: ...


@dataclass(frozen=True)
class FileTransfer:
    """Uploads a file with its mtime and a SHA-256, which is valid under any encryption."""

    receiver: Receiver
    digests: Digests

    def deliver(self, file: File, name: str, moved: Callable[[int], None]) -> None:
        if not isinstance(file, LocalFile):
            raise TypeError("expected a local file")
        metadata = {MTIME: f"{Decimal(file.mtime_ns).scaleb(-9):f}", SHA256: self.digests.of(file, "sha256")}
        self.receiver.put(file, name, metadata, moved)


@dataclass(frozen=True)
class ObjectTransfer:
    """Downloads or copies an object."""

    receiver: Receiver
    facts: CachedMetadata

    def deliver(self, file: File, name: str, moved: Callable[[int], None]) -> None:
        if not isinstance(file, RemoteFile):
            raise TypeError("expected an object")
        sha256 = self.receiver.put(file, name, {}, moved)
        if sha256:
            # Without it no comparison could prove the content equal, and every sync would download the object.
            self.facts.add_checksum(file, "sha256", sha256)
