"""What is told of a job that ended: an event for programs, and a message for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Announcement:
    """The end of one job. ``kind`` is the detail type of the event, ``at`` the end in Unix seconds.

    ``subject`` and ``text`` are for people, ``attributes`` for the filter policies of a topic.
    """

    kind: str
    detail: Mapping[str, object]
    at: float
    subject: str
    text: str
    attributes: Mapping[str, str] = field(default_factory=dict)
