"""docs/troubleshoot.md explains every error by name, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from penstock import errors

PAGE = (Path(__file__).parents[2] / "docs/troubleshoot.md").read_text()


def test_every_error_has_a_row_and_every_row_an_error() -> None:
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == sorted(errors.__all__)
