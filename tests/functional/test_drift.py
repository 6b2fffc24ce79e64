"""Files whose fields are not those of the table, on a real PostgreSQL: in one pass and in spans."""

from __future__ import annotations

import json

import pytest

from lengths import long
from penstock.errors import InvalidTableError
from penstock.model.job_status import JobState
from postgres_database import Database
from table_loads import LOADERS, in_one_pass, route
from table_machine import table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("drift")

COLUMNS = """
columns = [{ name = "id", type = "integer", nullable = false }, { name = "n", type = "integer" }]
"""
EACH = ["whole", long("in spans")]


def jsonl(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def padded(count: int, **more: object) -> list[dict[str, object]]:
    """Records of some 30 bytes."""
    return [{"id": number, "n": number % 7, **more} for number in range(count)]


@pytest.mark.parametrize("way", LOADERS)
def test_a_rescue_column_keeps_fields_and_values(database: Database, way: str) -> None:
    file = "id,n,note\n" + "".join(f"{n},{'x' if n % 100 == 0 else n},{'' if n % 2 else 'a b'}\n" for n in range(2000))
    result = LOADERS[way](database, "a.csv", file, f'create = true\nrescue = "_extra"\nrescue_values = true\n{COLUMNS}')
    assert (result.rows, result.rejects) == (2000, [])
    assert result.warnings == (
        "2,000 records hold fields that no column takes: 'note'; column '_extra' keeps them",
        "20 records hold values of the wrong type; column '_extra' keeps them",
    )
    assert database.execute("SELECT count(*), count(n), count(_extra) FROM t") == [(2000, 1980, 1000)]
    assert database.execute("SELECT _extra FROM t WHERE id = 100") == [({"note": "a b", "n": "x"},)]


def test_fail_names_the_record_and_the_field(database: Database) -> None:
    file = jsonl({"id": 1, "n": 1}, {"id": 2, "n": 2, "x": 1})
    with pytest.raises(InvalidTableError, match=r"record 2 has fields that no column takes.*: 'x'"):
        in_one_pass(database, "a.jsonl", file, f'create = true\nevolve = "fail"\n{COLUMNS}')
    plant = table_plant(database, route(f'create = true\nevolve = "fail"\n{COLUMNS}'))
    status = plant.run(plant.upload("a.jsonl", file.encode()))
    assert status.state is JobState.FAILED
    assert status.failure
    assert status.failure.error == "InvalidTableError"


@pytest.mark.parametrize("way", EACH)
def test_ignore_leaves_out_what_the_table_lacks(database: Database, way: str) -> None:
    database.execute("CREATE TABLE t (id bigint, n bigint)")
    result = LOADERS[way](database, "a.jsonl", jsonl(*padded(900, x=1)), 'evolve = "ignore"')
    assert (result.rows, result.rejects) == (900, [])
    assert result.warnings == ("900 records hold fields that no column takes: 'x'",)
