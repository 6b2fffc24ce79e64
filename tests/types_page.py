"""Reads the tables of docs/types.md."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/types.md"


def table_below(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its header row."""
    text = PAGE.read_text().split(f"\n{heading}\n")[1]
    found = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert found
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[0].splitlines()[2:]]


def examples(cell: str) -> list[str]:
    """The texts in backticks."""
    return re.findall(r"`([^`]*)`", cell)
