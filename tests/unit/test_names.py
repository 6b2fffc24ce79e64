"""Names that are not to come back. One name means one thing, in the words of AWS and of the field."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("layers/penstock", "cli", "local", "functions", "faults", "benchmarks", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

# Classes and functions: what each was called, and why it is not any more: see docs/adr/0019.
CLASSES = """
Aborting Beat Blaming Board Carrier Chooser Crew Cut Draft Endless Errand Everywhere Facts FileCarrier GroupCarrier Halves
Inlet Inlets KnownFacts Later LocalFileSink Making Mirror MovedStaging ObjectCarrier Outline PersonClients PipeByteSource
PipeSink Pulse Ran Rowmaker Screen Screening Script Settling Shaper SharingDownloads SharingUploads Sighting Spot
StandingObject StandingPart Story TableCarrier TableCutter Tally Teller Ticket Trouble Turn Verbatim Watcher Way Wish
Workshop
""".split()
FUNCTIONS = """
blame blamed can_begin_again carry garbage_held_back going hurry in_making sift standing telling told_alone ways_within
""".split()
MODULES = """
adapters blaming boards carry crew cutting entering errands garbage hopeless hurry inlets known mirror orders places
person person_clients person_errors person_hints ports_all records running settling sharing sightings standing story ticket
trees turns utils values verbatim ways
""".split()


def defined(kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> set[str]:
    return {
        node.name  # type: ignore[attr-defined]  # classes and functions have names
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kind)
    }


@pytest.mark.parametrize(
    ("kind", "banned"), [(ast.ClassDef, CLASSES), ((ast.FunctionDef, ast.AsyncFunctionDef), FUNCTIONS)]
)
def test_no_definition_has_a_name_of_the_past(kind: type[ast.AST], banned: list[str]) -> None:
    assert sorted(defined(kind) & set(banned)) == []


def test_no_module_has_a_name_of_the_past() -> None:
    assert sorted({path.stem for path in SOURCES} & set(MODULES)) == []
    assert sorted({part for path in SOURCES for part in path.relative_to(ROOT).parts} & set(MODULES)) == []


def test_files_are_short() -> None:
    """Outside tests, no file has more than 400 lines."""
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > 400 and not name.startswith("tests/")} == {}
