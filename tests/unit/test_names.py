"""Names that are not to come back. One name means one thing, in the words of AWS and of the field."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("layers/penstock", "cli", "local", "functions", "faults", "benchmarks", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

RETIRED = tomllib.loads((Path(__file__).parent / "retired_names.toml").read_text())


@pytest.mark.parametrize(
    ("keyword", "kind", "known"), [("class", "classes", "PartBuffer"), ("def", "functions", "plan_file")]
)
def test_no_definition_has_a_name_of_the_past(keyword: str, kind: str, known: str) -> None:
    definition = re.compile(rf"^[ ]*(?:async )?{keyword} (\w+)", re.MULTILINE)
    defined = {name for path in SOURCES for name in definition.findall(path.read_text())}
    assert known in defined
    assert sorted(defined & set(RETIRED[kind])) == []


def test_no_module_has_a_name_of_the_past() -> None:
    assert sorted({path.stem for path in SOURCES} & set(RETIRED["modules"])) == []
    assert sorted({part for path in SOURCES for part in path.relative_to(ROOT).parts} & set(RETIRED["modules"])) == []


def test_files_are_short() -> None:
    """Outside tests, no file has more than 400 lines."""
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > 400 and not name.startswith("tests/")} == {}
