"""The state file of a backfill: one JSON object, replaced whole."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from penstock.backfill.model import BackfillCounts
from penstock.errors import StateFileError

VERSION = 1


@dataclass(slots=True)
class BackfillState:
    """How far a backfill is. ``options`` is a digest of what was asked for.

    ``position``: everything up to here is sent, and nothing behind it is known to be. ``since`` and ``until`` are the
    times that were meant when it began, ``again`` the mark of its sources. ``entries`` is the forecast number of
    objects, ``backlog`` the bound of the queue.
    """

    options: str
    position: str = ""
    since: float | None = None
    until: float | None = None
    again: str = ""
    entries: int = 0
    backlog: int = 0
    began: float = 0.0
    counts: BackfillCounts = field(default_factory=BackfillCounts)


def to_text(state: BackfillState) -> str:
    """Serialise a state."""
    return json.dumps({"penstock_backfill": VERSION, **asdict(state)}, indent=1) + "\n"


def from_text(text: str, path: str) -> BackfillState:
    """Parse a state. Raises StateFileError, which names ``path``, for any other text."""
    try:
        fields = json.loads(text)
        version = fields.pop("penstock_backfill")
        if version != VERSION:
            raise StateFileError(
                f"{path} is a backfill state of version {version}; this release of Penstock reads version {VERSION}"
            )
        counts = fields.pop("counts")
        archived = {str(name): int(number) for name, number in counts.pop("archived").items()}
        known = BackfillCounts(**{name: int(number) for name, number in counts.items()}, archived=archived)
        return BackfillState(**fields, counts=known)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateFileError(f"{path} is damaged, or is not the state of a backfill") from error
