"""One file into the other tree, and what is worth noting about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from penstock.sync.cached_digests import CachedMetadata, Digests
from penstock.sync.model import MTIME, SHA256, File, LocalFile, RemoteFile
from penstock.sync.ports import Receiver


class Transfer(Protocol):
    """Puts files into a tree. ``deliver`` raises what ``Receiver.put`` raises."""

    def deliver(self, file: File, name: str, moved: Callable[[int], None]) -> None: ...


@dataclass(frozen=True)
class FileTransfer:
    """Uploads, with the mtime and a digest that holds under any encryption."""

    receiver: Receiver
    digests: Digests

    def deliver(self, file: File, name: str, moved: Callable[[int], None]) -> None:
        if not isinstance(file, LocalFile):
            raise TypeError("carries local files")
        metadata = {MTIME: f"{Decimal(file.mtime_ns).scaleb(-9):f}", SHA256: self.digests.of(file, "sha256")}
        self.receiver.put(file, name, metadata, moved)


@dataclass(frozen=True)
class ObjectTransfer:
    """Downloads, or copies."""

    receiver: Receiver
    facts: CachedMetadata

    def deliver(self, file: File, name: str, moved: Callable[[int], None]) -> None:
        if not isinstance(file, RemoteFile):
            raise TypeError("carries objects")
        sha256 = self.receiver.put(file, name, {}, moved)
        if sha256:
            # Or nothing would ever tell that it has arrived, and it would be fetched every time.
            self.facts.add_checksum(file, "sha256", sha256)
