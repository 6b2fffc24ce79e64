"""Rejected records in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from penstock.model.record import Reject


@dataclass
class MemoryRejectLog:
    """Keeps every file under ``(job id, name)``. Implements ``RejectLog`` and ``RejectReader``."""

    files: dict[tuple[str, str], tuple[Reject, ...]] = field(default_factory=dict)

    def folder(self, job_id: str) -> str:
        return f"memory://jobs/{job_id}/rejects/"

    def write(self, job_id: str, name: str, rejects: Sequence[Reject]) -> str:
        self.files[job_id, name] = tuple(rejects)
        return self.folder(job_id)

    def read(self, job_id: str) -> Iterator[Reject]:
        for (job, _), rejects in sorted(self.files.items()):
            if job == job_id:
                yield from rejects

    @property
    def all(self) -> list[Reject]:
        """Every reject, in order of the records."""
        return sorted((r for file in self.files.values() for r in file), key=lambda reject: reject.position.row)
