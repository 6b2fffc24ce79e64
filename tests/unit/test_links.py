"""Links between Markdown files lead to files and headings that exist. So do the paths that the pages name."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers/penstock/penstock"
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^(```+).*?^\1", re.MULTILINE | re.DOTALL)
# A module or a file in backticks, with its folder.
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|toml|yaml|json|txt|lock))`")
FOLDERS = (".", "docs", "benchmarks", "events", "examples")
# Files of a bucket, of a user or of a machine, which look like paths of this repository.
ELSEWHERE = ("config/", "jobs/", "in/", "~")


PAGES = [
    str(page.relative_to(ROOT))
    for folder in FOLDERS
    for page in sorted((ROOT / folder).glob("*.md" if folder == "." else "**/*.md"))
]


@cache
def text_of(path: Path) -> str:
    return CODE.sub("", path.read_text())


@cache
def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_headings(name: str) -> None:
    page = ROOT / name
    for link in LINK.findall(text_of(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{name}: {link}"
        assert not anchor or anchor in anchors(target), f"{name}: {link}"


@pytest.mark.parametrize("name", PAGES)
def test_paths_of_this_repository_exist(name: str) -> None:
    page = ROOT / name
    named = [path for path in PATH.findall(text_of(page)) if not path.startswith(ELSEWHERE)]
    assert named == [path for path in named if any((one / path).exists() for one in (ROOT, PACKAGE, page.parent))]
