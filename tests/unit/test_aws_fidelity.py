"""docs/aws-fidelity.md is complete, and names only what exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import penstock.testing

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers/penstock/penstock"
PATCHES = ROOT / "local/penstock_local/emulator/patches"
PAGE = (ROOT / "docs/aws-fidelity.md").read_text()
DOCUMENT = re.compile(r"https://docs\.aws\.amazon\.com/[\w./-]*\w")
TEST = re.compile(r"`(?:tests/)?(\w+/test_\w+\.py)(?:::(test_\w+))?`")
QUOTED = re.compile(r"`([^`]+)`")
HEAD = "| What AWS does | Said by | Held by | Relied on by |"
# Where the code talks to AWS, or takes its place.
CITING = (PACKAGE, ROOT / "functions", ROOT / "local", ROOT / "template.yaml", ROOT / "deploy", ROOT / "tests/contract")
# The backends of the contracts, and what a module that runs on them says.
BACKENDS = {
    "fakes": re.compile(r"\bpenstock\.testing\b|objects: ObjectBackend"),
    "simulation": re.compile(r"\bfrom simulation\b"),
    "moto": re.compile(r"\bmoto\b|\bMOTO\b|objects: ObjectBackend"),
    "emulator": re.compile(r"\bemulator\b|\bemulator_only\b|objects: ObjectBackend"),
    "LocalStack": re.compile(r"\bLOCALSTACK\b|objects: ObjectBackend"),
}


def rows() -> Iterator[list[str]]:
    """The rows of the tables of behaviour."""
    for table in PAGE.split(HEAD)[1:]:
        for line in table.splitlines()[2:]:
            if not line.startswith("|"):
                break
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def documents(path: Path) -> set[str]:
    """The documents of AWS that the files below a path cite."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.suffix in {".py", ".yaml"}]
    return {url for file in files for url in DOCUMENT.findall(file.read_text())}


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the tests in a file."""
    return frozenset(re.findall(r"^ *def (test_\w+)", (ROOT / "tests" / file).read_text(), re.MULTILINE))


def exists(place: str) -> bool:
    return any((folder / place).exists() for folder in (PACKAGE, ROOT))


def test_every_behaviour_has_a_document_a_test_and_a_module() -> None:
    found = list(rows())
    assert len(found) > 100
    for what, said_by, held_by, relied_on_by in found:
        assert what.endswith("."), what
        assert "](" in said_by or "not verified on AWS" in said_by or "not a difference" in said_by, what
        assert TEST.search(held_by) or held_by.startswith("Not pinned: "), what
        modules = QUOTED.findall(relied_on_by)
        assert modules == [one for one in modules if exists(one)], what


def test_every_named_test_exists() -> None:
    named = TEST.findall(PAGE)
    assert named == [(file, test) for file, test in named if not test or test in names_in(file)]


def test_every_document_of_aws_that_is_cited_is_on_the_page() -> None:
    assert set().union(*map(documents, CITING)) - set(DOCUMENT.findall(PAGE)) == set()


def test_every_patch_of_the_emulator_is_on_the_page() -> None:
    (apply_all,) = (
        node
        for node in ast.parse((PATCHES / "__init__.py").read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "apply_all"
    )
    patches = {ast.unparse(node.func) for node in ast.walk(apply_all) if isinstance(node, ast.Call)}
    patches = {name for name in patches if (PATCHES / f"{name.split('.')[0]}.py").exists()}
    assert patches - set(QUOTED.findall(PAGE)) == set()


def test_every_public_fake_is_on_the_page() -> None:
    assert set(penstock.testing.__all__) - set(QUOTED.findall(PAGE)) == set()


def test_the_backends_of_every_contract_are_on_the_page() -> None:
    for name in {file for file, _ in TEST.findall(PAGE) if file.startswith("contract/")}:
        text = (ROOT / "tests" / name).read_text()
        backends = ", ".join(backend for backend, marks in BACKENDS.items() if marks.search(text)) or "none"
        assert f"| `tests/{name}` | {backends} |" in PAGE
