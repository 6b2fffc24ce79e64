"""Files in the forms of partners, from event to table: fixed width, in one pass, in spans and by `penstock run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from machine_sources import in_blocks
from penstock.model.job_status import JobState
from penstock_cli.main import main
from postgres_database import Database
from table_machine import route, table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

ROWS = 600
WANTED = [(number, f"Zoë {number}") for number in range(ROWS)]
FIELDS = ("id 3-8", "name +12", "born +10")
FIXED = f"""
    format = "fixed"
    fields = {list(FIELDS)}
    record_prefix = "02"
    trim = "both"
"""


def fixed(end: str = "\n") -> bytes:
    """A header, records, a trailer: as a bank sends them."""
    lines = ["01HEADER  20240131"]
    lines += [f"02{number:6}{name:12}2001-02-03" for number, name in WANTED]
    lines += [f"99{ROWS:06}"]
    return (end.join(lines) + end).encode()


def stored(database: Database) -> list[tuple[int, str]]:
    found: Any = database.execute("SELECT id, name FROM people ORDER BY id")
    return list(found)


@pytest.mark.parametrize("key", ["a.dat", "a.dat.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_fixed_width_records_are_rows_wherever_the_source_is_cut(database: Database, key: str, end: str) -> None:
    plant = table_plant(database, route(parse=FIXED))
    data = fixed(end)
    status = plant.run(plant.upload(key, in_blocks(data) if key.endswith("gz") else data))
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS), status
    assert status.spans > 4
    assert stored(database) == WANTED


def run(database: Database, path: Path, *options: str) -> None:
    command = ["run", str(path), "--to", "postgresql:people", "--create", "--dsn", database.dsn, *options]
    result = CliRunner(mix_stderr=False).invoke(main, command)
    assert result.exit_code == 0, result.output + result.stderr


def test_the_command_takes_the_same_options(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "a.fwf"
    path.write_bytes(fixed())
    run(database, path, "--fields", ",".join(FIELDS), "--record-prefix", "02", "--trim", "both")
    assert stored(database) == WANTED
