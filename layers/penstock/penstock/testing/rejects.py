"""Rejected records in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock.records import Reject


@dataclass
class MemoryRejectLog:
    """Keeps every file under ``(job id, name)``. Implements ``RejectLog``."""

    files: dict[tuple[str, str], tuple[Reject, ...]] = field(default_factory=dict)

    def write(self, job_id: str, name: str, rejects: Sequence[Reject]) -> str:
        self.files[job_id, name] = tuple(rejects)
        return f"memory://jobs/{job_id}/rejects/"

    @property
    def all(self) -> list[Reject]:
        """Every reject, in order of the records."""
        return sorted((r for file in self.files.values() for r in file), key=lambda reject: reject.place.row)
