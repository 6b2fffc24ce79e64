"""Unrequested fields are never dropped silently, and missing requested fields are reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.errors import InvalidTableError
from penstock.model.job_status import JobState
from penstock_cli.main import main
from postgres_database import Database
from table_loads import LOADERS, Load, in_one_pass, route
from table_machine import table_plant

pytest_plugins = ["postgres_fixtures"]

# After the sample.
MANY = 10_100
PATH = "create = true\ncolumns = [{{ name = 'id' }}, {{ name = 'city', from = '{}' }}]"


@pytest.fixture(params=LOADERS)
def load(request: pytest.FixtureRequest) -> Load:
    return LOADERS[request.param]


def lines(*late: object, record: str = '{{"id": {n}, "v": 1}}') -> str:
    """Many records, and some after the sample."""
    return "".join([record.format(n=n) + "\n" for n in range(MANY)] + [json.dumps(one) + "\n" for one in late])


def test_a_key_that_no_column_takes_is_counted_and_named(database: Database, load: Load) -> None:
    done = load(database, "t.jsonl", lines({"id": 1, "v": 1, "late": "x"}, {"id": 2, "late": "y", "other": 1}))
    assert (done.rows, done.rejects) == (MANY + 2, [])
    assert done.warnings == ("2 records hold fields that no column takes: 'late', 'other'",)


def test_where_the_route_declares_columns_other_keys_are_named_too(database: Database, load: Load) -> None:
    table = "create = true\ncolumns = [{ name = 'id' }, { name = 'city', from = 'user.city' }]"
    text = lines({"id": 1, "user": {"city": "Ulm", "zip": 1}, "v": 1}, record='{{"id": {n}}}')
    done = load(database, "t.jsonl", text, table)
    assert done.warnings == ("1 record holds fields that no column takes: 'v'",)
    assert database.execute("SELECT count(*) FROM t WHERE city = 'Ulm'") == [(1,)]


def test_columns_of_a_csv_that_the_route_does_not_ask_for_are_named(database: Database, load: Load) -> None:
    text = "id,v,w\n" + "".join(f"{n},1,2\n" for n in range(MANY))
    done = load(database, "t.csv", text, "create = true\ncolumns = [{ name = 'id' }]")
    assert done.warnings == (f"{MANY:,} records hold fields that no column takes: 'v', 'w'",)


def test_names_are_bounded(database: Database) -> None:
    late = {"id": 1, "v": 1, **{f"{n:03}" + "x" * 1_000: n for n in range(300)}}
    (warning,) = in_one_pass(database, "t.jsonl", lines(late)).warnings
    assert warning.endswith("and others")
    assert len(warning) < 2_500


def test_a_path_that_matches_nothing_fails_the_job_and_leaves_nothing(database: Database) -> None:
    text = '{"id":1,"user":{"address":{"city":"Ulm"}}}\n{"id":2,"user":{"address":{"city":"Jena"}}}\n'
    with pytest.raises(InvalidTableError, match=r"column 'city': no record has 'user\.adress\.city'") as raised:
        in_one_pass(database, "t.jsonl", text, PATH.format("user.adress.city"))
    assert "nothing of it is in t" in "".join(raised.value.__notes__)
    assert "t" not in database.tables()
    assert in_one_pass(database, "t.jsonl", text, PATH.format("user.address.city")).warnings == ()
    assert database.execute("SELECT city FROM t ORDER BY id") == [("Ulm",), ("Jena",)]


@pytest.mark.parametrize("atomic", ["", "atomic = true\n"])
def test_a_path_that_matches_nothing_in_any_span_fails_the_job(database: Database, atomic: str) -> None:
    plant = table_plant(database, route(atomic + PATH.format("v.city")))
    status = plant.run(plant.upload("t.jsonl", lines().encode()))
    assert status.state is JobState.FAILED
    assert status.failure
    assert "no record has 'v.city'" in status.failure.message


def test_a_path_that_one_record_has_matches_also_where_it_is_null(database: Database, load: Load) -> None:
    text = lines({"id": 1, "v": 1, "user": {"city": None}})
    done = load(database, "t.jsonl", text, PATH.format("user.city"))
    assert done.rows == MANY + 1
    assert done.warnings == (f"{MANY + 1:,} records hold fields that no column takes: 'v'",)


def test_a_column_by_its_own_name_that_no_record_has_is_warned_of(database: Database, load: Load) -> None:
    done = load(
        database, "t.jsonl", lines(), "create = true\ncolumns = [{ name = 'id' }, { name = 'v' }, { name = 'w' }]"
    )
    assert done.rows == MANY
    assert done.warnings == ("no record has a field for these columns of table t: 'w'",)


@pytest.mark.parametrize("mode", ["mode = 'append'", "mode = 'replace'", "atomic = true"])
def test_a_late_key_is_loaded_where_the_table_has_that_column(database: Database, load: Load, mode: str) -> None:
    database.execute(
        "CREATE TABLE t (id int, v text, late varchar(3) DEFAULT '-', n int, g int GENERATED ALWAYS AS (id + 1) STORED)"
    )
    late: list[dict[str, object]] = [
        {"id": -1, "v": 1, "late": "x"},
        {"id": -2, "v": 1, "n": 7, "other": 1},
        {"id": -3, "v": 1, "n": None, "late": "12345"},
        {"id": -4, "late": None, "n": "x"},
        {"id": -5, "late": "y", "n": "007"},
        {"id": -6, "g": 1},
    ]
    done = load(database, "t.jsonl", lines(*late), mode)
    assert database.execute("SELECT id, v, late, n FROM t WHERE id < 1 ORDER BY id DESC") == [
        (0, "1", "-", None),
        (-1, "1", "x", None),
        (-2, "1", "-", 7),
        (-5, None, "y", 7),
        (-6, None, "-", None),
    ]
    assert [(row - MANY, name) for row, name, _ in done.rejects] == [(3, "late"), (4, "n")]
    assert done.rows == MANY + 4
    assert "2 records hold fields that no column takes: 'g', 'other'" in done.warnings


@pytest.mark.parametrize("atomic", ["", "atomic = true\n"])
def test_a_late_key_leaves_other_rows_alone_by_upsert(database: Database, load: Load, atomic: str) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v int, late text)")
    database.execute("INSERT INTO t SELECT n, 0, 'old' FROM generate_series(-5, 20000) n")
    late = [{"id": -1, "v": 1}, {"id": -2, "v": 2, "late": "new"}, {"id": -3, "v": 3}, {"id": -4, "v": 4, "late": None}]
    done = load(database, "t.jsonl", lines(*late), atomic + "mode = 'upsert'\nkey = ['id']")
    assert (done.rows, done.warnings) == (MANY + 4, ())
    found = database.execute("SELECT id, v, late FROM t WHERE id < 1 ORDER BY id DESC")
    assert found == [(0, 1, "old"), (-1, 1, "old"), (-2, 2, "new"), (-3, 3, "old"), (-4, 4, None), (-5, 0, "old")]


@pytest.mark.parametrize("atomic", ["", "atomic = true\n"])
def test_of_a_key_that_comes_twice_the_last_record_wins_whatever_it_holds(database: Database, atomic: str) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v int, late text)")
    late = [{"id": -1, "v": 1, "late": "x"}, {"id": -1, "v": 2}, {"id": -2, "v": 3}, {"id": -2, "v": 4, "late": "y"}]
    in_one_pass(database, "t.jsonl", lines(*late), atomic + "mode = 'upsert'\nkey = ['id']")
    assert database.execute("SELECT id, v FROM t WHERE id < 0 ORDER BY id") == [(-2, 4), (-1, 2)]


def test_an_atomic_load_finds_late_values_that_only_the_table_refuses(database: Database, load: Load) -> None:
    database.execute("CREATE TABLE t (id int, v int, late text)")
    database.execute("CREATE UNIQUE INDEX ON t (late); INSERT INTO t VALUES (-9, 0, 'known')")
    late = [{"id": -1, "late": "x"}, {"id": -2, "v": 1, "late": "known"}, {"id": -3, "late": "known", "other": 1}]
    done = load(database, "t.jsonl", lines(*late), "atomic = true")
    assert (done.rows, [row - MANY for row in done.rejected]) == (MANY + 1, [2, 3])
    assert database.execute("SELECT id, late FROM t WHERE late IS NOT NULL ORDER BY id") == [(-9, "known"), (-1, "x")]


@pytest.mark.parametrize("data", ["", "[]"])
def test_without_a_record_nothing_is_missing(database: Database, data: str) -> None:
    done = in_one_pass(database, "t.json", data, PATH.format("user.city"))
    assert (done.rows, done.warnings) == (0, ())


def run(database: Database, path: Path, *arguments: object) -> list[dict[str, object]]:
    """The rejects of a file that `penstock run` loads."""
    given = ["run", path, "--to", "postgresql:t", "--dsn", database.dsn, "--create", *arguments]
    result = CliRunner(mix_stderr=False).invoke(main, list(map(str, given)))
    assert result.exit_code == 0, result.output + result.stderr
    return [json.loads(line) for line in Path(f"{path}.rejects.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("half_character_name.json", '[{"a":1},{"\\udfaa":0}]', "half a surrogate pair"),
        ("empty_name.jsonl", '{"a":1}\n{"":2}\n{"a":3}\n', "empty name"),
        ("half_value.jsonl", '{"a":"x"}\n{"a":"\\ud800"}\n', "half a surrogate pair"),
        ("half_inside.jsonl", '{"a":{}}\n{"a":{"\\ud800":1}}\n', "half a surrogate pair"),
    ],
)
def test_records_with_impossible_names_are_rejects(
    database: Database, tmp_path: Path, name: str, text: str, reason: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    (reject,) = run(database, path, "--max-rejects", "1")
    assert reject["row"] == 2
    assert reason in str(reject["reason"])
