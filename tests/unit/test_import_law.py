"""The direction of imports, and who may touch the world outside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers/penstock/penstock"

# Each may import what stands at its own level or below.
LEVELS = [
    {
        "model",
        "objects",
        "columns",
        "later",
        "records",
        "spans",
        "uploads",
        "trees",
        "errors",
        "identity",
        "written",
        "counted",
    },
    {"ports"},
    {"limits", "memory", "settings", "values", "checksum", "speedups", "body"},
    {"codecs", "routes", "events", "parsers", "index", "tables"},
    {"cutting", "costs"},
    {"pipeline", "fitting", "sampling", "settling"},
    {"delivery", "transfer", "mirror"},
    {"loading", "small_sources"},
    {"steps"},
    {"explain", "orders", "running"},
    {"jobs"},
    {"group"},
    {"ingest"},
    {"operations", "reconcile"},
    {"telemetry"},
    {"wiring"},
    {"sync"},
]
# The second is apart because a command that is typed should not wait for what functions import.
ADAPTERS_MAY = {
    "ports",
    "model",
    "objects",
    "columns",
    "records",
    "spans",
    "uploads",
    "trees",
    "errors",
    "limits",
    "values",
    "checksum",
    "body",
    "adapters",
}
OUTSIDE_WORLD = {"boto3", "botocore", "psycopg", "smart_open", "s3transfer"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def unit_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def own_units(path: Path) -> set[str]:
    names = [name.split(".") for name in imports(path) if name.startswith("penstock.")]
    return {name[1] for name in names}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_stands_below_it(path: Path) -> None:
    unit = unit_of(path)
    if unit in {"__init__", "testing"}:
        return
    if unit == "adapters":
        allowed = ADAPTERS_MAY
    else:
        level = next(number for number, units in enumerate(LEVELS) if unit in units)
        allowed = set().union(*LEVELS[: level + 1]) | ({"adapters"} if unit == "wiring" else set())
    assert own_units(path) <= allowed


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_adapters_touch_the_world_outside(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    assert unit_of(path) == "adapters" or not roots & OUTSIDE_WORLD


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_clients_are_botocores_and_boto3_is_not_waited_for(path: Path) -> None:
    assert "boto3" not in {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", sorted((ROOT / "functions").rglob("*.py")), ids=str)
def test_a_handler_is_thin_and_knows_no_adapter(path: Path) -> None:
    names = set(imports(path))
    assert not {name.split(".")[0] for name in names} & OUTSIDE_WORLD
    assert not any(name.startswith("penstock.adapters") for name in names)
    handler = next(
        n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef) and n.name == "handler"
    )
    assert (handler.end_lineno or 0) - handler.lineno < 40


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_environment_is_read_in_settings_only(path: Path) -> None:
    reads = any(
        isinstance(n, ast.Attribute) and n.attr in {"environ", "getenv"} for n in ast.walk(ast.parse(path.read_text()))
    )
    assert unit_of(path) == "settings" or not reads


def test_nothing_imports_functions() -> None:
    for folder in ("layers", "cli", "local"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not any(name.split(".")[0] == "functions" for name in imports(path)), path
