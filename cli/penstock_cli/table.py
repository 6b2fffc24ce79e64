"""Text in columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click

from penstock_cli.output import Safe, safe


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[Safe]:
    """Format rows as lines with aligned columns; those in ``right`` are right-aligned. Styles have no width."""
    rows = [[safe(cell) for cell in row] for row in rows]
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in zip(*rows, strict=True)]
    return [
        Safe("  ".join(_padded(cell, widths[at], right=at in right) for at, cell in enumerate(row)).rstrip())
        for row in rows
    ]


def _padded(cell: str, width: int, *, right: bool) -> str:
    room = " " * (width - len(click.unstyle(cell)))
    return room + cell if right else cell + room
