"""Archives: one source that holds many members. The registry has one line for each format."""

from __future__ import annotations

from penstock.archives.archive import Archive, Skipped
from penstock.archives.tar import TAR
from penstock.archives.zip import ZIP

__all__ = ["ARCHIVES", "Archive", "Skipped", "recognise"]

ARCHIVES: tuple[Archive, ...] = (ZIP, TAR)


def recognise(head: bytes) -> Archive | None:
    """Return the format of an archive that begins with ``head`` (512 bytes, unless the source is shorter), or None."""
    return next((archive for archive in ARCHIVES if archive.recognise(head)), None)
