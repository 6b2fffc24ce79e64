"""The files of examples/partners give the tables and the rejects beside them, on a real PostgreSQL."""

from __future__ import annotations

import csv
import re
import runpy
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

import penstock
from penstock.limits import GIB
from penstock.model.job_status import JobState
from postgres_database import Database
from table_machine import table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("workbooks")

FOLDER = Path(__file__).parents[2] / "examples/partners"
FILE = FOLDER / "routes.toml"
ROUTES = {str(route["name"]): route for route in tomllib.loads(FILE.read_text())["route"]}
# By `once`, the second of them is a repeat of the first. `penstock run` looks for no repeats.
REPEAT = "telemetry/north (1).jsonl"


@cache
def generated() -> dict[str, bytes]:
    files = runpy.run_path(str(FOLDER / "generate.py"))["FILES"]
    assert isinstance(files, dict)
    return files


def files_of(name: str) -> list[str]:
    return [key for key in generated() if fnmatchcase(key, ROUTES[name]["match"]) and key != REPEAT]


def tables_of(route: dict[str, Any]) -> list[str]:
    chosen = route.get("choice", {}).get("tables", {})
    return [table["name"] for table in chosen.values()] or [route["destination"].partition(":")[2]]


def stored(database: Database, table: str) -> str:
    """The table as CSV."""
    with psycopg.connect(database.dsn, options=f"-csearch_path={database.schema} -ctimezone=UTC") as connection:
        query = f"COPY (SELECT * FROM {table} whole ORDER BY whole) TO STDOUT (FORMAT csv, HEADER)"
        with connection.cursor().copy(query) as copy:
            return b"".join(bytes(part) for part in copy).decode()


def rejects_of(file: str) -> list[dict[str, str]]:
    with (FOLDER / "tables/rejects.csv").open(newline="") as lines:
        return [line for line in csv.DictReader(lines) if line.pop("file") == file]


@pytest.fixture(autouse=True)
def siblings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator is a script: it imports what lies beside it."""
    monkeypatch.syspath_prepend(str(FOLDER))


def test_every_file_is_as_generated_and_of_one_route() -> None:
    folder = FOLDER / "files"
    kept = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    assert kept == generated(), "python examples/partners/generate.py examples/partners/files"
    assert sorted(file for name in ROUTES for file in files_of(name)) == sorted({*kept} - {REPEAT})
    assert len(ROUTES) == 10
    assert {path.stem for path in (FOLDER / "tables").iterdir()} == {
        "rejects",
        *(table for route in ROUTES.values() for table in tables_of(route)),
    }


@pytest.mark.parametrize("name", ROUTES)
def test_the_files_of_a_partner_give_its_tables(database: Database, tmp_path: Path, name: str) -> None:
    found = 0
    for number, key in enumerate(files_of(name)):
        path = FOLDER / "files" / key
        log = tmp_path / f"{number}.jsonl"
        receipt = penstock.run(path, routes=FILE, as_key=key, dsn=database.dsn, rejects=log)
        rejects = [{field: str(line[field]) for field in ("row", "column", "reason")} for line in receipt.rejected()]
        assert rejects == rejects_of(key)
        found += len(rejects)
    assert found, "no record is wrong"
    for table in tables_of(ROUTES[name]):
        assert stored(database, table) == (FOLDER / f"tables/{table}.csv").read_text()


def test_telemetry_that_is_dropped_twice_is_loaded_once(database: Database) -> None:
    plant = table_plant(database, FILE.read_text(), large_bytes=GIB)
    first, second = (key for key in generated() if key.startswith("telemetry/"))
    for key in (first, second):
        assert plant.ingest(plant.upload(key, generated()[key])).state is JobState.SUCCEEDED
    repeats = [status.repeat_of for status in plant.jobs.jobs.values() if status.repeat_of]
    assert len(repeats) == 1
    assert stored(database, "telemetry") == (FOLDER / "tables/telemetry.csv").read_text()


# Of a file: the lines before its records, and those after them. Its records are repeated. Other files are not cut.
FRAMES = {"bank": (5, 1), "shop": (1, 0), "ledger": (1, 0), "mainframe": (1, 1), "logs": (2, 0), "telemetry": (0, 0)}
COPIES = 120
# The last 64 KiB of a file with a footer are one span.
MORE = {"bank": 600}


def many(name: str) -> tuple[str, bytes]:
    """A longer file of a partner: its key and content."""
    key = files_of(name)[0]
    lines = generated()[key].splitlines(keepends=True)
    before, after = FRAMES[name]
    records = lines[before : len(lines) - after] * MORE.get(name, COPIES)
    data = b"".join([*lines[:before], *records, *lines[len(lines) - after :]])
    return key, data.replace(b"4 Buchungen", b"%d Buchungen" % len(records))


@pytest.mark.long
@pytest.mark.parametrize("name", FRAMES)
def test_a_larger_file_is_the_same_in_one_pass_and_in_spans(database: Database, tmp_path: Path, name: str) -> None:
    key, data = many(name)
    tables = tables_of(ROUTES[name])
    routes = re.sub(r"max_rejects = .*", "max_rejects = 1_000", FILE.read_text())
    (tmp_path / "routes.toml").write_text(routes)
    (tmp_path / "file").write_bytes(data)
    receipt = penstock.run(tmp_path / "file", routes=tmp_path / "routes.toml", as_key=key, dsn=database.dsn)
    wanted = [stored(database, table) for table in tables]
    for table in tables:
        database.execute(f"DROP TABLE {table}")
    plant = table_plant(database, routes)
    status = plant.run(plant.upload(key, data))
    assert (status.state, status.progress.rows, status.progress.rejects) == (
        JobState.SUCCEEDED,
        receipt.rows,
        receipt.rejects,
    ), status
    assert receipt.rejects >= COPIES
    assert status.spans > 2
    assert [stored(database, table) for table in tables] == wanted
