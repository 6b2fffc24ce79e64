"""What a load has changed in the columns of its tables."""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.model.serialization import OMIT_DEFAULT

# Changes on the record of an archive: each member may make as many.
MOST_CHANGES = 100


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column that a load has added, or whose type it has widened. ``type`` is its type now, ``was`` that before;
    empty for a new column. Both as the destination names them."""

    table: str
    column: str
    type: str
    was: str = field(default="", metadata=OMIT_DEFAULT)

    @property
    def text(self) -> str:
        """For people."""
        if self.was:
            return f"{self.table}: column {self.column!r} is {self.type} (it was {self.was})"
        return f"{self.table}: new column {self.column!r} ({self.type})"
