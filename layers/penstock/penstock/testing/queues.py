"""Fakes of the queue."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class MemoryQueue:
    """Remembers which messages were postponed, and for how many seconds."""

    postponed: dict[str, int] = field(default_factory=dict)

    def postpone(self, queue_arn: str, receipt_handle: str, seconds: int) -> None:  # noqa: ARG002  (one queue)
        self.postponed[receipt_handle] = seconds


@dataclass
class MemoryEventQueue:
    """Keeps every notification. Implements ``EventQueue``."""

    events: list[str] = field(default_factory=list)

    def send(self, event: str) -> None:
        self.events.append(event)
