"""Objects of source buckets as they are now, and what is asked of them after a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from penstock.model.object import Location


@dataclass(frozen=True, slots=True)
class Held:
    """An object as HEAD shows it. ``modified`` is in Unix seconds."""

    size: int
    etag: str
    version_id: str = ""
    modified: float = 0.0

    @property
    def is_versioned(self) -> bool:
        """Whether S3 keeps this version when the key is overwritten or deleted."""
        return self.version_id not in ("", "null")


class Removal(Enum):
    """What became of a request to remove an object.

    NEWER: a newer version came in between and was left alone. GONE: the key had no object.
    """

    REMOVED = auto()
    NEWER = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """A copy within a bucket. ``tags`` replace those of the source. ``upload`` is that of an earlier attempt."""

    bucket: str
    source: Location
    key: str
    tags: Mapping[str, str]
    may_replace: bool
    upload: str = ""
