"""Imports point one way, by folder. docs/architecture.md shows the same order.

1. A folder imports only folders below it (`ORDER`).
2. A command (upload, sync, run, explain, operations, connect, doctor, source_check, guess) imports no other command. It
   may ask jobs and large_jobs.
3. Only aws, destinations, and modules of a command called ``s3_*`` or ``uri_*`` import the clients of services
   (botocore, psycopg, smart_open). Nothing imports boto3.
4. Only settings reads the environment.
5. A handler is thin: it imports wiring, and neither aws nor destinations. Nothing imports a handler.
6. The package root holds only the modules that `ROOT_MODULES` names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers/penstock/penstock"

# From the bottom up; folders of one line do not import each other.
ORDER = [
    {"errors"},
    {"limits"},
    {"model", "settings"},
    {"codecs"},
    {"archives", "formats", "tables", "files"},
    {"aws"},
    {"destinations"},
    {"routes"},
    {"delivery"},
    {"large_jobs"},
    {"jobs"},
    {"upload", "sync", "run", "explain", "operations", "connect", "doctor", "backfill", "source_check", "guess"},
    {"telemetry"},
    {"wiring"},
]
ROOT_MODULES = {"__init__", "errors", "limits", "settings", "telemetry"}
CLIENTS = {"botocore", "psycopg", "s3transfer", "smart_open"}
MAY_IMPORT_CLIENTS = {"aws", "destinations"}
SERVICES = ("s3_", "uri_")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> frozenset[str]:
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = sorted(PACKAGE.rglob("*.py"))
HANDLERS = sorted((ROOT / "functions").rglob("*.py"))
# The public names that packages offer are built by wiring.
FACES = {PACKAGE / "__init__.py", PACKAGE / "sync/__init__.py"}


def unit_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def own_units(path: Path) -> set[str]:
    names = [name.split(".") for name in imports(path) if name.startswith("penstock.")]
    return {name[1] for name in names}


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def allowed(unit: str) -> set[str]:
    level = next(number for number, units in enumerate(ORDER) if unit in units)
    return {unit}.union(*ORDER[:level])


def test_a_folder_imports_only_folders_below_it() -> None:
    bound = [path for path in MODULES if path not in FACES and unit_of(path) != "testing"]
    found = {str(path.relative_to(PACKAGE)): own_units(path) - allowed(unit_of(path)) for path in bound}
    assert {path: units for path, units in found.items() if units} == {}


def test_only_aws_and_destinations_import_the_clients_of_services() -> None:
    bound = [
        path for path in MODULES if not (unit_of(path) in MAY_IMPORT_CLIENTS or path.stem.startswith(("s3_", "uri_")))
    ]
    assert [path for path in bound if roots(path) & CLIENTS] == []
    assert [path for path in MODULES if "boto3" in roots(path)] == []


def test_a_handler_is_thin_and_knows_no_service() -> None:
    for path in HANDLERS:
        names = imports(path)
        assert not {name.split(".")[0] for name in names} & CLIENTS, path
        assert not any(name.startswith(("penstock.aws", "penstock.destinations")) for name in names), path
        tree = tree_of(path).body
        handler = next(n for n in tree if isinstance(n, ast.FunctionDef) and n.name == "handler")
        assert (handler.end_lineno or 0) - handler.lineno < 40, path


def test_only_settings_reads_the_environment() -> None:
    readers = [path for path in MODULES if unit_of(path) != "settings" and reads_environment(path)]
    assert readers == []


def reads_environment(path: Path) -> bool:
    tree = ast.walk(tree_of(path))
    return any(isinstance(n, ast.Attribute) and n.attr in {"environ", "getenv"} for n in tree)


def test_nothing_imports_functions() -> None:
    for folder in ("layers", "cli", "local"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "functions" not in roots(path), path


def test_the_root_holds_no_other_modules() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == ROOT_MODULES
