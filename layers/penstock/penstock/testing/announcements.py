"""What announcing needs, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from penstock.errors import PenstockError
from penstock.model.announcement import Announcement


@dataclass
class MemoryChannel:
    """Keeps every announcement. Implements ``Channel``. ``refusals`` are the errors to meet once, by job."""

    taken: list[Announcement] = field(default_factory=list)
    refusals: dict[str, PenstockError] = field(default_factory=dict)

    def send(self, announcements: Sequence[Announcement]) -> Mapping[int, PenstockError]:
        refused = {
            place: self.refusals.pop(job)
            for place, one in enumerate(announcements)
            if (job := str(one.detail["job"])) in self.refusals
        }
        self.taken += [one for place, one in enumerate(announcements) if place not in refused]
        return refused
