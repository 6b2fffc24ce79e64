"""The reference page says what the command's own help says."""

from __future__ import annotations

from pathlib import Path

from penstock_cli.main import COMMANDS
from penstock_cli.reference import WIDTH, page

DOCUMENT = Path(__file__).parents[2] / "docs/cli.md"


def test_the_page_is_what_is_generated() -> None:
    assert DOCUMENT.read_text() == page(), "python -m penstock_cli.reference > docs/cli.md"


def test_every_command_has_a_section_with_an_example() -> None:
    sections = {section.partition("\n")[0]: section for section in page().split("\n## ")[1:]}
    for name in COMMANDS:
        inner = [text for title, text in sections.items() if title.split()[:2] == ["penstock", name]]
        assert inner, name
        assert any(text.count(f"penstock {name}") > 2 for text in inner), f"{name} has no example"


def test_no_line_is_wider_than_a_page() -> None:
    assert max(map(len, page().splitlines())) <= WIDTH + 20
