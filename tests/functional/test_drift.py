"""Files whose fields are not those of the table, on a real PostgreSQL: in one pass and in spans."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lengths import long
from machine import StepKilledError
from penstock.delivery import sampling
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.errors import InvalidTableError, TooManyRejectsError
from penstock.jobs.announce.announcement import announcement_of
from penstock.limits import KIB
from penstock.model.column import Column
from penstock.model.column_change import ColumnChange
from penstock.model.job import Failure
from penstock.model.job_status import JobState
from penstock.model.table import Table, TablePlan
from penstock.tables import Form
from penstock_cli.main import main
from postgres_database import Database
from table_loads import LOADERS, in_one_pass, load_into, route
from table_machine import add_tables, table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("drift")

COLUMNS = """
columns = [{ name = "id", type = "integer", nullable = false }, { name = "n", type = "integer" }]
"""
EACH = ["whole", long("in spans")]


@pytest.fixture
def short_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns are inferred from some hundred records."""
    monkeypatch.setattr(sampling, "SAMPLE_BYTES", 4 * KIB)


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


def test_what_json_cannot_hold_in_the_database_is_a_reject(database: Database) -> None:
    """Of the object that the rescue column would keep."""
    values = ["1.50", "1e999999", '"a\\u0000"', '"\\u0001\\ud83d\\ude00"']
    file = "".join(f'{{"id": {number}, "x": {value}}}\n' for number, value in enumerate(values, 1))
    result = in_one_pass(database, "a.jsonl", file, f'create = true\nrescue = "_extra"\n{COLUMNS}')
    assert result.rejected == [2, 3]
    assert database.execute("SELECT id, _extra ->> 'x' FROM t ORDER BY id") == [(1, "1.50"), (4, "\x01😀")]


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


def columns_of(database: Database, table: str = "t") -> dict[str, tuple[str, str]]:
    """The type and the mark of each column."""
    found = database.execute(
        "SELECT attname::text, format_type(atttypid, atttypmod), coalesce(col_description(attrelid, attnum), '') "
        f"FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return {
        str(name): (str(kind), str(comment).removeprefix("inferred by penstock: ")) for name, kind, comment in found
    }


MODES = ["append", "upsert", "replace", "atomic append", "atomic upsert"]
SHORT = {("whole", "append"), ("whole", "atomic append"), ("in spans", "upsert"), ("in spans", "replace")}
WAYS = [one if one in SHORT else long(*one) for one in product(LOADERS, MODES)]


def of_mode(mode: str, evolve: str = "add") -> str:
    atomic, _, mode = mode.rpartition(" ")
    return f'evolve = "{evolve}"\nmode = "{mode}"\nkey = ["id"]\natomic = {"true" if atomic else "false"}\n'


@pytest.mark.parametrize(("way", "mode"), WAYS)
def test_new_fields_of_a_header_become_columns_before_the_first_row(database: Database, mode: str, way: str) -> None:
    database.execute("CREATE TABLE t (id bigint PRIMARY KEY, name text)")
    file = "id,name,price,note\n" + "".join(f"{n},a{n},{n}.50,0{n}\n" for n in range(600))
    result = LOADERS[way](database, "a.csv", file, of_mode(mode))
    assert (result.rows, result.rejects) == (600, [])
    assert columns_of(database) == {
        "id": ("bigint", ""),
        "name": ("text", ""),
        "price": ("numeric", "numeric"),
        "note": ("text", ""),
    }
    assert database.execute("SELECT price::text, note FROM t WHERE id = 7") == [("7.50", "07")]
    assert database.tables() == {"t", "penstock_ledger"}


@pytest.mark.usefixtures("short_sample")
@pytest.mark.parametrize(("way", "mode"), WAYS)
def test_new_fields_of_records_become_columns_between_two_chunks(database: Database, mode: str, way: str) -> None:
    database.execute("CREATE TABLE t (id bigint PRIMARY KEY, n bigint)")
    records = padded(1500)
    for number, record in enumerate(records):
        if number > 700:
            record[f"late{number % 3}"] = number if number % 3 else str(number)
        if number == 3:
            record["never"] = None
    result = LOADERS[way](database, "a.jsonl", jsonl(*records), f"{of_mode(mode)}{COLUMNS}")
    assert (result.rows, result.rejects) == (1500, [])
    columns = columns_of(database)
    assert {name: columns[name][0] for name in sorted(columns)} == {
        "id": "bigint",
        "late0": "text",
        "late1": "bigint",
        "late2": "bigint",
        "n": "bigint",
    }
    assert database.execute("SELECT count(late0), count(late1), count(late2) FROM t") == [(266, 266, 267)]
    assert database.tables() == {"t", "penstock_ledger"}


@pytest.mark.parametrize("way", LOADERS)
def test_widen_makes_room_for_numbers_and_then_for_texts(database: Database, way: str) -> None:
    in_one_pass(database, "a.csv", "id,a,b,c\n1,1,1,1\n2,2,2,2\n", 'create = true\nevolve = "widen"')
    file = "id,a,b,c\n" + "".join(
        f"{n},{n},{f'{n}.5' if n > 300 else n},{f'0{n}' if n == 600 else f'{n}.5' if n == 590 else n}\n"
        for n in range(700)
    )
    result = LOADERS[way](database, "b.csv", file, 'evolve = "widen"')
    assert (result.rows, result.rejects) == (700, [])
    assert columns_of(database) == {
        "id": ("bigint", "integer"),
        "a": ("bigint", "integer"),
        "b": ("numeric", "numeric"),
        "c": ("text", ""),
    }
    assert database.execute("SELECT b::text, c FROM t WHERE id = 600") == [("600.5", "0600")]


@pytest.mark.usefixtures("short_sample")
def test_every_change_is_on_the_record_and_in_the_event(database: Database) -> None:
    database.execute("CREATE TABLE t (id bigint, n bigint)")
    records = padded(900)
    records[500]["late"] = "x"
    changes = (ColumnChange("t", "new", "bigint"), ColumnChange("t", "late", "text"))
    plant = table_plant(database, route('evolve = "add"'))
    status = plant.run(plant.upload("a.jsonl", jsonl(*[{**record, "new": 1} for record in records]).encode()))
    assert (status.state, status.changes) == (JobState.SUCCEEDED, changes), status
    assert status.spans > 1
    told = announcement_of(status)
    assert told.detail["columns_changed"] == 2
    assert told.detail["receipt"]["changes"] == [  # type: ignore[index]  # a receipt
        {"table": "t", "column": "new", "type": "bigint"},
        {"table": "t", "column": "late", "type": "text"},
    ]
    assert "changed   t: new column 'late' (text)" in told.text
    result = in_one_pass(database, "b.jsonl", jsonl({"id": 1, "new": 2, "more": 1.5}), 'evolve = "add"')
    assert result.changes == (ColumnChange("t", "more", "numeric"),)


class Dying(PostgresSink):
    """Is killed after it has changed columns, before the chunk that needs them."""

    deaths = 0

    def evolve(self, plan: TablePlan, table: Table, columns: Sequence[Column]) -> Mapping[str, str]:
        refused = super().evolve(plan, table, columns)
        if self.deaths:
            Dying.deaths -= 1
            raise StepKilledError("after a change")
        return refused


@pytest.mark.usefixtures("short_sample")
@pytest.mark.parametrize(
    ("mode", "first"),
    [("append", 10), ("append", 600), ("replace", 600), long("upsert", 600), long("atomic append", 600)],
)
def test_a_load_killed_between_a_change_and_its_chunk_finds_the_column(
    database: Database, mode: str, first: int
) -> None:
    database.execute("CREATE TABLE t (id bigint PRIMARY KEY, n bigint)")
    records = padded(1200)
    for record in records[first:]:
        record["late"] = record["id"]
    plant = table_plant(database, route(f"{of_mode(mode, 'widen')}{COLUMNS}"))

    def dying(_: Callable[[str, int], Any]) -> Callable[[str, int], Any]:
        return lambda job_id, span: Dying(by_dsn(database.dsn), job_id, span)

    add_tables(plant, database, dying)
    Dying.deaths = 1
    status = plant.run(plant.upload("a.jsonl", jsonl(*records).encode()))
    assert Dying.deaths == 0
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, 1200), status
    assert status.changes == (ColumnChange("t", "late", "bigint"),)
    assert database.execute("SELECT count(*), count(late), sum(late) FROM t") == [
        (1200, 1200 - first, sum(range(first, 1200)))
    ]


def test_of_a_load_that_fails_the_message_names_the_changes(database: Database) -> None:
    database.execute("CREATE TABLE t (id bigint, n bigint CHECK (n < 5))")
    records = [*padded(5, x=1), {"id": 5, "n": 5}]
    with pytest.raises(TooManyRejectsError) as caught:
        load_into(
            lambda job: database.sink(job.id),
            Form.TEXT,
            "a.jsonl",
            jsonl(*records),
            route('evolve = "add"').replace("max_rejects = 1000", ""),
        )
    assert "changed before: t: new column 'x' (bigint)" in Failure.of(caught.value).message


def test_ids_as_keys_make_no_columns_but_are_rescued(database: Database) -> None:
    database.execute("CREATE TABLE t (id bigint)")
    records = [{"id": n, f"id-{n}": n} for n in range(3000)]
    result = in_one_pass(database, "a.jsonl", jsonl(*records), f'evolve = "add"\nrescue = "_extra"\n{ID}')
    assert (result.rows, result.rejects, result.changes) == (3000, [], (ColumnChange("t", "_extra", "jsonb"),))
    assert database.execute("SELECT _extra FROM t WHERE id = 2999") == [({"id-2999": 2999},)]
    with pytest.raises(InvalidTableError, match=r"'id-0' cannot become a column: a load may add 100 .*, nor can 2,999"):
        in_one_pass(database, "b.jsonl", jsonl(*records), f'evolve = "add"\n{ID}')


ID = 'columns = [{ name = "id", type = "integer" }]'


def test_a_field_of_json_that_is_null_shows_no_type_yet(database: Database) -> None:
    first, second = {"id": 1, "u": None, "n": None}, {"id": 2, "u": 5}
    in_one_pass(database, "a.jsonl", jsonl(first), 'create = true\nevolve = "add"')
    result = in_one_pass(database, "b.jsonl", jsonl(first, second), 'evolve = "add"')
    assert result.changes == (ColumnChange("t", "u", "bigint"),)
    assert list(columns_of(database)) == ["id", "u"]


def test_a_field_that_differs_by_case_is_refused_or_rescued(database: Database) -> None:
    database.execute("CREATE TABLE t (id bigint, name text)")
    with pytest.raises(InvalidTableError, match="'Name' cannot become a column: its name differs from that of column"):
        in_one_pass(database, "a.csv", "id,Name\n1,a\n", 'evolve = "add"')
    result = in_one_pass(database, "a.csv", "id,Name\n1,a\n", 'evolve = "add"\nrescue = "_extra"')
    assert result.changes == (ColumnChange("t", "_extra", "jsonb"),)
    assert database.execute("SELECT id, name, _extra FROM t") == [(1, None, {"Name": "a"})]


def test_a_header_without_records_adds_nothing(database: Database) -> None:
    database.execute("CREATE TABLE t (id bigint)")
    for table in ('evolve = "add"', f'evolve = "add"\n{ID}'):
        result = in_one_pass(database, "a.csv", "id,x\n", table)
        assert (result.rows, result.changes) == (0, ())


@pytest.mark.usefixtures("short_sample")
def test_tables_by_choice_grow_each_by_its_own_records(database: Database) -> None:
    database.execute("CREATE TABLE a (id bigint); CREATE TABLE b (id bigint)")
    text = """
    [[route]]
    name = "t"
    match = "*"
    destination = "postgresql"
    [route.choice]
    field = "type"
    [route.choice.tables.a]
    name = "a"
    evolve = "add"
    columns = [{ name = "id" }]
    [route.choice.tables.b]
    name = "b"
    evolve = "widen"
    columns = [{ name = "id" }]
    """
    records = [{"type": "a", "id": 1, "x": 1}, {"type": "b", "id": 1, "y": 1}] * 3 + [{"type": "b", "id": 2, "y": 1.5}]
    many = jsonl(*records, *padded_choice(4000), {"type": "b", "id": 3, "y": "z"}, {"type": "a", "id": 3, "late": True})
    result = load_into(lambda job: database.sink(job.id), Form.TEXT, "a.jsonl", many, text)
    assert (result.rows, result.rejects) == (4009, [])
    assert {name: kind for name, (kind, _) in columns_of(database, "a").items()} == {
        "id": "bigint",
        "x": "bigint",
        "late": "boolean",
    }
    assert {name: kind for name, (kind, _) in columns_of(database, "b").items()} == {"id": "bigint", "y": "text"}
    assert database.execute("SELECT y FROM b WHERE id = 2") == [("1.5",)]


def padded_choice(count: int) -> list[dict[str, object]]:
    return [{"type": "a", "id": number, "x": None} for number in range(count)]


@pytest.mark.parametrize("file", ["id,n,x\n1,2,a\n", "id;n\n"], ids=["other fields", "no record"])
def test_a_declared_column_that_the_table_lacks_is_added_with_its_type(database: Database, file: str) -> None:
    database.execute("CREATE TABLE t (id bigint)")
    if ";" in file:
        file = file.replace(";", ",")
    in_one_pass(database, "a.csv", file, f'evolve = "add"\n{COLUMNS}')
    assert columns_of(database)["n"] == ("bigint", "")


def test_a_check_finds_what_a_load_would_add_and_adds_nothing(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE TABLE t (id bigint)")
    path = tmp_path / "a.csv"

    def checked(text: str) -> tuple[int, str]:
        path.write_text(text)
        options = ["--to", "postgresql:t", "--dsn", database.dsn, "--evolve", "add"]
        result = CliRunner(mix_stderr=False).invoke(main, ["check", str(path), *options])
        return result.exit_code, result.stdout + result.stderr

    code, output = checked("id,x\n1,2\n")
    assert (code, "t.x" in output) == (0, True), output
    code, output = checked("id,ID\n1,2\n")
    assert (code, "'ID' cannot become a column" in output) == (1, True), output
    assert list(columns_of(database)) == ["id"]
