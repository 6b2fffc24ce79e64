"""docs/recipes.md shows the files, the routes, the tables and the rejects of examples/partners as they are."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/partners"
PAGE = (ROOT / "docs/recipes.md").read_text()
ROUTES = (FOLDER / "routes.toml").read_text()
RECIPES = dict(re.findall(r"^## \d+\. (.*)\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def file_texts(route: str) -> list[str]:
    """The files of a route, as its encoding reads them."""
    (read,) = tomllib.loads(route)["route"]
    encoding = read.get("parse", {}).get("encoding", "utf-8")
    paths = [path for path in sorted((FOLDER / "files").glob(read["match"])) if path.suffix != ".xlsx"]
    return [path.read_bytes().decode(encoding).replace("\r\n", "\n") for path in paths]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_shows_file_route_and_tables(title: str) -> None:
    recipe = RECIPES[title]
    (route,) = blocks(recipe, "toml")
    assert route in ROUTES
    texts = file_texts(route)
    for shown in blocks(recipe, "(?:text|xml|json)"):
        assert any(text.startswith(shown) for text in texts), shown
    tables = re.findall(r"^Table `(\w+)`:\n\n((?:\|.*\n)+)", recipe, re.MULTILINE)
    assert tables
    for name, table in tables:
        header, _, *rows = table.splitlines()
        with (FOLDER / f"tables/{name}.csv").open(newline="") as lines:
            assert [cells(line) for line in (header, *rows)] == list(csv.reader(lines))


def test_the_page_has_every_route_and_every_reject() -> None:
    assert "".join(blocks(PAGE, "toml")).count("[[route]]") == ROUTES.count("[[route]]") == len(RECIPES) == 10
    with (FOLDER / "tables/rejects.csv").open(newline="") as lines:
        for reject in csv.DictReader(lines):
            column = f", column `{reject['column']}`" if reject["column"] else ""
            assert f"Rejected: record {reject['row']}{column}: `{reject['reason']}`\n" in PAGE
