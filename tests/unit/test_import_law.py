"""The direction of imports, and who may touch the world outside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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
        "s3_uri",
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


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = sorted(PACKAGE.rglob("*.py"))
HANDLERS = sorted((ROOT / "functions").rglob("*.py"))


def unit_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def own_units(path: Path) -> set[str]:
    names = [name.split(".") for name in imports(path) if name.startswith("penstock.")]
    return {name[1] for name in names}


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def allowed(unit: str) -> set[str]:
    if unit == "adapters":
        return ADAPTERS_MAY
    level = next(number for number, units in enumerate(LEVELS) if unit in units)
    return set().union(*LEVELS[: level + 1]) | ({"adapters"} if unit == "wiring" else set())


def test_a_module_imports_only_what_stands_below_it() -> None:
    bound = [path for path in MODULES if unit_of(path) not in {"__init__", "testing"}]
    found = {str(path): own_units(path) - allowed(unit_of(path)) for path in bound}
    assert {path: units for path, units in found.items() if units} == {}


def test_only_adapters_touch_the_world_outside() -> None:
    assert [path for path in MODULES if unit_of(path) != "adapters" and roots(path) & OUTSIDE_WORLD] == []


def test_clients_are_botocores_and_boto3_is_not_waited_for() -> None:
    assert [path for path in MODULES if "boto3" in roots(path)] == []


def test_a_handler_is_thin_and_knows_no_adapter() -> None:
    for path in HANDLERS:
        names = set(imports(path))
        assert not {name.split(".")[0] for name in names} & OUTSIDE_WORLD, path
        assert not any(name.startswith("penstock.adapters") for name in names), path
        tree = tree_of(path).body
        handler = next(n for n in tree if isinstance(n, ast.FunctionDef) and n.name == "handler")
        assert (handler.end_lineno or 0) - handler.lineno < 40, path


def test_the_environment_is_read_in_settings_only() -> None:
    readers = [path for path in MODULES if unit_of(path) != "settings" and reads_environment(path)]
    assert readers == []


def reads_environment(path: Path) -> bool:
    tree = ast.walk(tree_of(path))
    return any(isinstance(n, ast.Attribute) and n.attr in {"environ", "getenv"} for n in tree)


def test_nothing_imports_functions() -> None:
    for folder in ("layers", "cli", "local"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "functions" not in roots(path), path
