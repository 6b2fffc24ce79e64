"""Archives: one source that holds many members. The registry has one line for each format."""

from __future__ import annotations

from penstock.archives.archive import Archive, Skipped
from penstock.archives.tar import TAR
from penstock.archives.zip import ZIP
from penstock.codecs import strip_suffix

__all__ = ["ARCHIVES", "Archive", "Skipped", "archive_named", "recognise"]

ARCHIVES: tuple[Archive, ...] = (ZIP, TAR)


def recognise(head: bytes) -> Archive | None:
    """Return the format of an archive that begins with ``head`` (512 bytes, unless the source is shorter), or None."""
    return next((archive for archive in ARCHIVES if archive.recognise(head)), None)


def archive_named(key: str) -> Archive | None:
    """Return the archive format that a name says, also under a codec: ``a.zip``, ``a.tar.gz``, ``a.tgz``."""
    name = strip_suffix(key).lower()
    return next((archive for archive in ARCHIVES if name.endswith(archive.suffixes)), None)
