"""Files in the forms of partners, fixed width and XML, from event to table: in spans, and by `penstock run`."""

from __future__ import annotations

import json
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


def test_objects_over_several_lines_are_rows_and_the_file_is_not_cut(database: Database) -> None:
    plant = table_plant(database, route())
    records = [{"id": number, "name": name, "born": "2001-02-03"} for number, name in WANTED]
    data = "\n".join(json.dumps(record, indent=2) for record in records).encode()
    status = plant.run(plant.upload("a.jsonl.gz", in_blocks(data)))
    assert (status.state, status.spans) == (JobState.SUCCEEDED, 1), status
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


XML = """
    format = "xml"
    record = "/orders/order"
    [route.table]
    create = true
    columns = [
        { name = "id", type = "integer", from = "@id" },
        { name = "name", from = "customer/name" },
        { name = "lines", type = "json", from = "line" },
    ]
"""
XML_ROUTE = f"""
    [[route]]
    name = "people"
    match = "*"
    destination = "postgresql:people"
    [route.parse]
    {XML}
"""


def xml(rows: list[tuple[int, str]] = WANTED, end: str = "</orders>") -> bytes:
    orders = (
        f'  <order id="{number}"><customer><name>{name}</name></customer><line>1</line><line>2</line></order>\n'
        for number, name in rows
    )
    return f'<?xml version="1.0" encoding="cp1252"?>\n<orders>\n{"".join(orders)}{end}\n'.encode("cp1252")


@pytest.mark.parametrize("key", ["a.xml", "a.xml.gz"])
def test_xml_records_are_rows_however_large_the_document_is(database: Database, key: str) -> None:
    plant = table_plant(database, XML_ROUTE)
    status = plant.run(plant.upload(key, in_blocks(xml()) if key.endswith("gz") else xml()))
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS), status
    assert stored(database) == WANTED
    assert database.execute("SELECT DISTINCT lines FROM people") == [(["1", "2"],)]


def test_of_an_xml_document_nothing_after_a_fault_is_loaded(database: Database) -> None:
    plant = table_plant(database, XML_ROUTE)
    status = plant.run(plant.upload("a.xml", xml(end="<order></orders>")))
    assert status.state is JobState.FAILED
    assert status.failure
    assert "not XML: mismatched tag (line 603, " in status.failure.message
    assert stored(database) == WANTED[: len(stored(database))]


def test_the_command_infers_the_columns_of_xml(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(xml())
    run(database, path, "--record", "/orders/order", "--repeated", "line")
    found: Any = database.execute("SELECT \"@id\", customer->>'name', line FROM people ORDER BY 1 LIMIT 1")
    assert list(found) == [(0, "Zoë 0", ["1", "2"])]
