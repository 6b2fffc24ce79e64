"""Whatever becomes of a job, a value that its route hashes or masks is in nothing that the job leaves."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import openpyxl
import pytest

from machine import Plant
from machine_sources import in_blocks
from penstock.model.job_status import JobState
from postgres_database import Database
from table_machine import table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

SECRET = "Erika-Mustermann"
ROUTE = """
[[route]]
name = "people"
match = "*"
destination = "postgresql:people"
max_rejects = {rejects}
[route.parse]
format = "{format}"
[route.table]
create = true
mode = "{mode}"
key = ["id"]
rescue = "_extra"
rescue_values = true
columns = [
    {{ name = "id", type = "integer", nullable = false }},
    {{ name = "name", hash = "sha256" }},
    {{ name = "mail", mask = "keep:4", nullable = false }},
    {{ name = "n", type = "integer" }},
]
"""


def route(form: str = "csv", rejects: int = 100, mode: str = "append") -> str:
    return ROUTE.format(format=form, rejects=rejects, mode=mode)


def people(count: int) -> Iterator[dict[str, Any]]:
    for n in range(count):
        kind = "x" if n % 50 == 7 else n
        mail = "" if n % 50 == 9 else f"{SECRET}-mail-{n}"
        yield {"id": kind, "name": f"{SECRET} {n}", "mail": mail or None, "n": "bad" if n % 50 == 3 else n}


def csv(count: int) -> bytes:
    lines = ["id,name,mail,n", *(",".join(str(v if v is not None else "") for v in p.values()) for p in people(count))]
    lines.insert(5, f"1,{SECRET},too,many,{SECRET}")
    lines.insert(6, f'2,"{SECRET}" {SECRET},x,1')
    return ("\n".join(lines) + "\n").encode()


def jsonl(count: int) -> bytes:
    lines = [json.dumps({**one, "more": 1}) for one in people(count)]
    return "\n".join(
        [*lines, f'{{"id": 1, "name": "{SECRET}', f'["{SECRET}"]', f'{{"name": {{"a": "{SECRET}"}}}}', ""]
    ).encode()


def xlsx(count: int) -> bytes:
    book, packed = openpyxl.Workbook(), io.BytesIO()
    assert book.active
    book.active.append(["id", "name", "mail", "n"])
    for one in people(count):
        book.active.append(list(one.values()))
    book.active.append([1, SECRET, SECRET, 1, SECRET])
    book.save(packed)
    return packed.getvalue()


def left_by(plant: Plant, database: Database) -> str:
    """All that a job leaves: records, files of the work bucket, rejects, and every table of the schema."""
    names = [
        name
        for (name,) in database.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
    ]
    tables = [database.execute(f'SELECT * FROM "{name}"') for name in names]
    assert tables
    files = b"".join(plant.files.files.values()).decode(errors="replace")
    return repr((plant.jobs, vars(plant.executions), plant.rejects.all, plant.machine, tables)) + files


FILES = {
    "a.csv": csv(400),
    "a.csv.gz": in_blocks(csv(400)),
    "a.jsonl": jsonl(400),
    "a.xlsx": xlsx(100),
}


@pytest.mark.parametrize("key", FILES)
@pytest.mark.parametrize("large_bytes", [1, 10**9])
def test_nothing_of_a_load_with_rejects_holds_the_value(
    database: Database, caplog: pytest.LogCaptureFixture, key: str, large_bytes: int
) -> None:
    caplog.set_level(logging.DEBUG)
    plant = table_plant(database, route(key.split(".")[1]), large_bytes=large_bytes)
    outcome = plant.ingest(plant.upload(key, FILES[key]))
    if outcome.state is JobState.EXECUTING:
        plant.execute(outcome.job_id)
    status = plant.jobs.jobs[outcome.job_id]
    assert status.state is JobState.SUCCEEDED, status
    assert len(plant.rejects.all) > 3
    # An index would hold deflated parts of the source.
    assert not [name for name in plant.files.files if "index-" in name]
    assert status.spans > 1 or key.endswith(("gz", "xlsx")) or large_bytes > 1
    for left in (left_by(plant, database), repr(outcome), caplog.text):
        assert SECRET not in left
        assert "rika-Mus" not in left
    (one,) = database.execute("SELECT name, mail FROM people WHERE id = 12")
    assert (len(str(one[0])), one[1]) == (64, "*" * (len(f"{SECRET}-mail-12") - 4) + "l-12")


@pytest.mark.parametrize("mode", ["append", "replace"])
@pytest.mark.parametrize(
    "data",
    [
        csv(30),
        f"{SECRET},{SECRET}-1,1\n{SECRET},b,c\n".encode(),
        f"id,name,mail,n,id\n1,{SECRET},3,4,5\n".encode(),
        f"{SECRET};{SECRET};1;4\n{SECRET};2;3;4\n".encode(),
        f'id,name,mail,n\n1,"{SECRET}\n'.encode() * 300,
        f"id,name,mail,n\n1,{SECRET},m,1\n1,{SECRET},m,1\n".encode(),
        f"id,name,mail,n\n1,{SECRET},m,1\n{SECRET}=total\n".encode(),
    ],
    ids=["rejects", "no header", "doubled", "delimiter", "quote", "unique", "footer"],
)
def test_nothing_of_a_load_that_fails_holds_the_value(database: Database, data: bytes, mode: str) -> None:
    database.execute("CREATE TABLE people (id int PRIMARY KEY, name text, mail text, n int, _extra jsonb)")
    for large_bytes in (1, 10**9):
        text = route(rejects=0, mode=mode)
        if data.endswith(b"total\n"):
            text = text.replace("[route.table]", "footer = '^(?P<rows>.*)=total'\n[route.table]")
        plant = table_plant(database, text, large_bytes=large_bytes)
        outcome = plant.ingest(plant.upload("a.csv", data))
        if outcome.state is JobState.EXECUTING:
            plant.execute(outcome.job_id)
        status = plant.jobs.jobs[outcome.job_id]
        assert status.state is JobState.FAILED, status
        assert SECRET not in left_by(plant, database) + repr(outcome)


@pytest.mark.parametrize("mode", ["append", "replace", "atomic"])
def test_what_the_database_refuses_is_a_reject_without_any_value(database: Database, mode: str) -> None:
    database.execute("CREATE TABLE people (id int CHECK (id <> 1), name text, mail text, n int, _extra jsonb)")
    text = route(mode="append" if mode == "atomic" else mode)
    if mode == "atomic":
        text = text.replace("create = true", "atomic = true")
    data = f'id,name,mail,n,other\n1,a,b,,"""{SECRET}"" x"\n2,a,b,,\n3,a,b,9999999999,{SECRET}\n'
    plant = table_plant(database, text, large_bytes=10**9)
    outcome = plant.ingest(plant.upload("a.csv", data.encode()))
    assert plant.jobs.jobs[outcome.job_id].state is JobState.SUCCEEDED
    assert [(reject.position.raw, reject.reason) for reject in plant.rejects.all] == [
        ("", 'new row for relation "people" violates check constraint "people_id_check"'),
        ("", "value (hidden) is out of range for type integer"),
    ]
    assert SECRET not in left_by(plant, database) + repr(outcome)
