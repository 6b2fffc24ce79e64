"""CSV as partners send them: titles and other delimiters, in spans, in one pass and by the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from machine_sources import in_blocks
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.model.job_status import JobState
from penstock.tables import Form
from penstock_cli.main import main
from postgres_database import Database
from table_loads import load_into
from table_machine import table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

ROWS = 600
WANTED = [(number, f"two\nlines; {number}" if number % 5 == 0 else f"Zoë {number}") for number in range(ROWS)]
TITLES = 'Sales of "the north\nin 5" boxes, printed today\n\n'
DELIMITER = "delimiter ';' found: the route sets none"
AUTO = """
    [[route]]
    name = "people"
    match = "*"
    destination = "postgresql:people"
    [route.parse]
    header = "auto"
    [route.table]
    create = true
    columns = [{ name = "id", type = "integer", from = "No." }, { name = "name", from = "full name" }]
"""


def file(titles: str = TITLES) -> bytes:
    return (titles + "full name;No.;other\n" + "".join(f'"{name}";{number};x,y\n' for number, name in WANTED)).encode()


def stored(database: Database) -> list[tuple[int, str]]:
    found: Any = database.execute("SELECT id, name FROM people ORDER BY id")
    return list(found)


@pytest.mark.parametrize("key", ["a.csv", "a.csv.gz"])
def test_the_header_is_found_by_its_names_wherever_the_source_is_cut(database: Database, key: str) -> None:
    plant = table_plant(database, AUTO)
    # The titles take several spans.
    data = file(TITLES + "a title\n" * 900)
    status = plant.run(plant.upload(key, in_blocks(data) if key.endswith("gz") else data))
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS), status
    assert status.spans > 2
    assert stored(database) == WANTED
    assert status.warnings[:2] == (DELIMITER, "header found in line 904")


def test_one_pass_tells_the_same(database: Database) -> None:
    result = load_into(lambda job: PostgresSink(by_dsn(database.dsn), job.id), Form.TEXT, "a.csv", file(), AUTO)
    assert result.rows == ROWS
    assert stored(database) == WANTED
    assert result.warnings[:2] == (DELIMITER, "header found in line 4")


def test_the_command_skips_lines_and_tells_the_delimiter(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Sales\n\nid;name\n" + "".join(f'{number};"{name}"\n' for number, name in WANTED), encoding="utf-8")
    command = ["run", str(path), "--to", "postgresql:people", "--create", "--dsn", database.dsn, "--skip-lines", "2"]
    result = CliRunner(mix_stderr=False).invoke(main, command)
    assert result.exit_code == 0, result.output + result.stderr
    assert DELIMITER in result.output + result.stderr
    assert stored(database) == WANTED
