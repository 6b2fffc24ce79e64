"""Rewrites whole columns of dates and times whose digits stand at fixed places, such as 31.12.2024, as ISO 8601."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from penstock.tables.column_kinds import Cells

_TOKEN = re.compile(r"%(.)|([^%])", re.DOTALL)
_WIDTHS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}
_BETWEEN = {"m": "-", "d": "-", "H": "T", "M": ":", "S": ":"}


@dataclass(frozen=True, slots=True)
class FixedTimes:
    """``shape`` is that of every text, its digits zeros. ``moves`` pairs the places of digits, here and in ISO 8601."""

    shape: bytes
    iso_shape: bytes
    moves: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, pattern: str, *, is_date: bool) -> Self | None:
        """That of a strptime pattern; None if its texts have no fixed places."""
        places: dict[str, int] = {}
        shape = ""
        for directive, literal in _TOKEN.findall(pattern.replace("%T", "%H:%M:%S").replace("%R", "%H:%M")):
            if directive and (directive not in _WIDTHS or directive in places):
                return None
            if directive:
                places[directive] = len(shape)
            elif literal.isdigit() or not literal.isascii() or (literal.isspace() and literal != " "):
                return None
            shape += "0" * _WIDTHS[directive] if directive else literal
        names = "".join(name for name in _WIDTHS if name in places)
        if names not in (("Ymd",) if is_date else ("Ymd", "YmdHM", "YmdHMS")) or shape != shape.strip():
            return None
        iso, moves = "", []
        for name in names:
            iso += _BETWEEN.get(name, "")
            moves += [(places[name] + digit, len(iso) + digit) for digit in range(_WIDTHS[name])]
            iso += "0" * _WIDTHS[name]
        return cls(shape.encode(), iso.encode(), tuple(moves))

    @property
    def has_clock(self) -> bool:
        return b":" in self.iso_shape

    def iso(self, cells: Cells) -> list[str] | None:
        """The texts in ISO 8601; None if one has another shape. They may name days and hours that do not exist."""
        width, written = len(self.shape) + 1, len(self.iso_shape) + 1
        # A text may hold several lines.
        if cells.shapes() != {self.shape} or len(cells.shape) != width * len(cells.texts) - 1:
            return None
        source = cells.joined.encode()
        lines = bytearray((self.iso_shape + b"\n") * len(cells.texts))
        for here, there in self.moves:
            lines[there::written] = source[here::width]
        return lines.decode()[:-1].split("\n")

    def moment(self, text: str) -> datetime | None:
        """That of one text; None if it has another shape or does not exist."""
        found = self.iso(Cells([text]))
        try:
            return datetime.fromisoformat(found[0]) if found and "T24" not in found[0] else None
        except ValueError:
            return None
