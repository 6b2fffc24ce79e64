"""What announcing needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from penstock.errors import PenstockError
from penstock.model.announcement import Announcement


class Channel(Protocol):
    """Takes announcements: an event bus, or a topic."""

    def send(self, announcements: Sequence[Announcement]) -> Mapping[int, PenstockError]:
        """Send each announcement. Returns the errors of those that were not taken, by their place in the sequence."""
