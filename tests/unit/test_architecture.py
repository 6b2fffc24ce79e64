"""docs/architecture.md is the map of the code: it names every folder, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers/penstock/penstock"
PAGE = (ROOT / "docs/architecture.md").read_text()
TREE = PAGE.split("```")[1]


def drawn() -> set[str]:
    """Folders of the package as the tree draws them, by their indentation."""
    found: set[str] = set()
    above = ""
    for line in TREE.split("penstock/penstock/\n", 1)[1].splitlines():
        if match := re.match(r"( {2,4})(\w+)/", line):
            above = match[2] if len(match[1]) == 2 else above
            found.add(match[2] if len(match[1]) == 2 else f"{above}/{match[2]}")
        elif not line.startswith("  "):
            break
    return found


def test_the_tree_draws_every_folder_and_no_other() -> None:
    folders = {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")} - {"."}
    assert drawn() == folders


def test_every_path_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`((?:[\w.]+/)+[\w.]*)`", PAGE))
    assert named
    assert {name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()} == set()
