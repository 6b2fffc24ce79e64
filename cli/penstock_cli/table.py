"""Text in columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """Rows as lines, columns as wide as their widest cell; those in ``right`` end alike. Styles take no room."""
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(_padded(cell, widths[number], right=number in right) for number, cell in enumerate(row)).rstrip()
        for row in rows
    )


def _padded(cell: str, width: int, *, right: bool) -> str:
    room = " " * (width - len(click.unstyle(cell)))
    return room + cell if right else cell + room
