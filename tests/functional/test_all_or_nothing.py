"""What a failed load leaves in its tables, what its error says, and rows that the database did not store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import make_conninfo

from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import ParseOptions
from penstock.model.table import Table, TablePlan
from penstock_cli.main import main
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]


def load(database: Database, path: Path, table: str, *arguments: object) -> Result:
    given = ["run", path, "--to", f"postgresql:{table}", "--dsn", database.dsn, *arguments]
    return CliRunner(mix_stderr=False).invoke(main, list(map(str, given)))


def done(result: Result) -> Result:
    assert result.exit_code == 0, result.output + result.stderr
    return result


def failed(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    return result.stderr


def rejects(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(f"{path}.rejects.jsonl").read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, data: str | bytes, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


# A file of one chunk.


def test_a_file_of_one_chunk_is_loaded_completely_or_not_at_all(database: Database, folder: Path) -> None:
    database.execute("CREATE TABLE t (id int, name text)")
    path = write(folder, "id,name\n1,Ann\nx,Bob\n3,Cid\n")
    said = failed(load(database, path, "t"))
    assert "nothing of it is in t" in said
    assert "run the command again" in said
    assert database.execute("SELECT * FROM t") == []
    done(load(database, write(folder, "id,name\n1,Ann\n2,Bob\n3,Cid\n"), "t"))
    assert database.execute("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]


@pytest.mark.parametrize("mode", ["append", "upsert"])
@pytest.mark.parametrize("allowed", ["1", "20%"])
def test_a_chunk_with_more_rejects_of_the_database_than_are_allowed_is_not_in(
    database: Database, folder: Path, mode: str, allowed: str
) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, name text CHECK (name <> 'bad'))")
    path = write(folder, "id,name\n1,Ann\n2,bad\n3,Cid\n4,bad\n5,Eve\n")
    given = ("--mode", mode, *(("--key", "id") if mode == "upsert" else ()))
    said = failed(load(database, path, "t", *given, "--max-rejects", allowed))
    assert "nothing of it is in t" in said
    assert database.execute("SELECT * FROM t") == []
    assert [line["row"] for line in rejects(path)] == [2, 4]
    done(load(database, path, "t", *given, "--max-rejects", "2"))
    assert database.execute("SELECT id FROM t ORDER BY id") == [(1,), (3,), (5,)]
    assert [line["row"] for line in rejects(path)] == [2, 4]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", 'id,name\n1,Ann\n2,"Bob\n', "quote"),
        ("a.json", '[{"id": 1, "name": "Ann"}] xyz', "more text follows"),
        ("a.json", '[{"id": 1, "name": "Ann"}, {"id":', ""),
    ],
)
def test_an_error_at_the_end_of_a_small_file_is_found_before_any_row_is_committed(
    database: Database, folder: Path, name: str, data: str, said: str
) -> None:
    database.execute("CREATE TABLE t (id int, name text)")
    assert said in failed(load(database, write(folder, data, name), "t"))
    assert database.execute("SELECT * FROM t") == []


def test_the_hint_for_a_larger_file_says_how_not_to_duplicate_its_committed_rows(
    database: Database, folder: Path
) -> None:
    database.execute("CREATE TABLE t (id int, name text)")
    lines = "".join(f"{number},{'name ' * 20}{number}\n" for number in range(60_000))
    said = failed(load(database, write(folder, f"id,name\n{lines}x,last\n"), "t", "--memory", "128"))
    ((count,),) = database.execute("SELECT count(*) FROM t")
    assert isinstance(count, int)
    assert count > 0
    assert f"{count:,} rows) are in t" in said
    assert f"First delete the {count:,} rows that are in t" in said
    assert "upload the file again, or increase" in said


# No sampled record is good.


@pytest.mark.parametrize(
    ("data", "reported"),
    [
        (
            "id;betrag;name\n1;1,50;a\n2;2,00\n",
            ["row 1 (byte 15): expected 1 field, found 2", "The header holds ';': set the delimiter", "has 1 field"],
        ),
        (
            "Sales of March\nid,name\n1,a\n2,b\n",
            ["expected 1 field, found 2", "Line 1 has 1 field, line 2 has 2: "],
        ),
        (
            "id,name\n1,Jürgen\n".encode("latin-1"),
            ["not utf-8 at byte 11", "set its encoding, such as cp1252"],
        ),
        ("id\tname,x\n1\ta\n2\tb\n", [r"The header holds '\t'"]),
        (
            "Sales of March\n\nid,name\n1,a\n2,b\n",
            [
                "row 1 (byte 16): expected 1 field, found 2",
                "Line 1 has 1 field, line 3 has 2: skip what stands above",
            ],
        ),
        ("\r\n\r\nSales\r\n\r\n\r\nid,name,x\r\n1,a,b\r\n", ["Line 3 has 1 field, line 6 has 3: "]),
        ("Sales\n\n1,2\n".encode("utf-16"), ["Line 1 has 1 field, line 3 has 2: ", "the only record is not good"]),
    ],
)
def test_if_no_record_is_good_the_error_has_the_reasons_and_a_hint(
    database: Database, folder: Path, data: str | bytes, reported: list[str]
) -> None:
    path = write(folder, data)
    said = failed(load(database, path, "t", "--create"))
    assert [text for text in reported if text not in said] == []
    assert "none of the first" in said or "the only record" in said
    assert rejects(path)[0]["row"] == 1
    assert database.tables() == set()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "id,name\n1,Jürgen\n"), ("a.jsonl", '{"id":1}\n'), ("a.json", '[{"id":1}]')]
)
def test_an_encoding_of_two_or_four_bytes_without_a_mark_is_named(
    database: Database, folder: Path, name: str, text: str, encoding: str
) -> None:
    path = write(folder, text.encode(encoding), name)
    said = failed(load(database, path, "t", "--create"))
    assert f"this is {encoding} without a byte order mark, not {name[2:]}" in said
    assert f'encoding = "{encoding}"' in said or f"--encoding {encoding}" in said
    done(load(database, path, "t", "--create", "--encoding", encoding))
    assert database.execute("SELECT id FROM t") == [(1,)]


@pytest.mark.parametrize(
    ("name", "data", "reported"),
    [
        ("a.csv", 'a,b\n"x"y,1\n', ["row 1 (byte 4): 'y' follows the closing quote"]),
        ("a.csv", "id;v\n1,5\n2,7\n", ["expected 1 field, found 2", "The header holds ';'"]),
        ("a.jsonl", '{\n "a": x\n}\n', ["row 1 (byte 0): not JSON", "Each line must be one JSON value"]),
    ],
)
def test_the_error_has_the_reasons_also_if_so_many_rejects_are_allowed(
    database: Database, folder: Path, name: str, data: str, reported: list[str]
) -> None:
    path = folder / name
    path.write_text(data)
    said = failed(load(database, path, "t", "--create", "--max-rejects", "9"))
    assert "none of the first" in said or "the only record is not good" in said
    assert [text for text in reported if text not in said] == []
    assert rejects(path)[0]["row"] == 1
    assert database.tables() == set()


@pytest.mark.parametrize(
    ("name", "data", "at", "reason"),
    [
        ("a.jsonl", '{"":1}\n{"":2}\n', "row 1 (byte 0)", "a field has an empty name"),
        ("a.json", '[{"":1}]', "row 1 (byte 1)", "a field has an empty name"),
        ("a.json", '[ {"\\ud800":1},{"\\ud800":2}]', "row 1 (byte 2)", "the name of a field holds half a surrogate"),
        ("a.json", '[{"a\\u0000":1},{"":2}]', "row 2 (byte 15)", "a field has an empty name"),
    ],
)
def test_names_that_no_column_can_have_are_reported_if_there_are_no_others(
    database: Database, folder: Path, *, name: str, data: str, at: str, reason: str
) -> None:
    path = write(folder, data, name)
    for given in (("--create",), ("--create", "--max-rejects", "9"), ("--max-rejects", "1")):
        said = failed(load(database, path, "t", *given))
        assert "records is good" in said or "the only record is not good" in said
        assert f"{at}: {reason}" in said
        assert "Each line must be" not in said
        assert rejects(path)[0]["row"] == 1
    assert database.tables() == set()
    database.execute("CREATE TABLE t (id int)")
    assert reason in failed(load(database, path, "t"))


def test_names_that_no_column_can_have_before_good_ones_are_rejects(database: Database, folder: Path) -> None:
    path = write(folder, '{"":"' + "x" * 3_000 + '"}\n', "a.jsonl")
    path.write_text(path.read_text() * 400 + '{"id":1}\n')  # the sample ends before the last
    done(load(database, path, "t", "--create", "--max-rejects", "400"))
    assert database.execute("SELECT id FROM t") == [(1,)]
    assert len(rejects(path)) == 400


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_a_header_of_one_column_that_is_several_by_another_delimiter_is_refused_if_the_delimiter_is_given(
    database: Database, folder: Path, sign: str
) -> None:
    path = write(folder, f"id{sign}name\n1{sign}a\n2{sign}b\n")
    said = failed(load(database, path, "t", "--create", "--delimiter", ","))
    assert f"Set the delimiter to {sign!r}" in said
    assert database.tables() == set()
    reported = json.loads(done(load(database, path, "t", "--create", "--json")).stdout)
    assert reported["warnings"] == [f"delimiter {sign!r} found: the route sets none"]
    assert [number for (number,) in database.execute("SELECT id FROM t ORDER BY id")] == [1, 2]


def test_a_column_that_only_holds_such_a_sign_is_one(database: Database, folder: Path) -> None:
    done(load(database, write(folder, "id;name\n1\n2;b\n"), "t", "--create"))
    assert database.execute('SELECT "id;name" FROM t') == [("1",), ("2;b",)]


# Rows that the database drops.

DROPPING = """
    CREATE TABLE t (id int PRIMARY KEY, name text);
    CREATE FUNCTION {schema}.drop_odd() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.id % 2 = 1 THEN RETURN NULL; END IF; RETURN NEW; END $$;
    CREATE TRIGGER drop_odd BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION {schema}.drop_odd();
"""


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_rows_that_a_trigger_drops_are_not_counted_as_loaded(database: Database, folder: Path, mode: str) -> None:
    database.execute(DROPPING.format(schema=database.schema))
    path = write(
        folder, "id,name\n" + "".join(f"{number},n\n" for number in range(1000)) + "998,again\n" * (mode == "upsert")
    )
    given = ("--mode", mode, *(("--key", "id") if mode == "upsert" else ()))
    reported = json.loads(done(load(database, path, "t", *given, "--json")).stdout)
    assert (reported["rows"], reported["dropped"], reported["rejects"]) == (500 + (mode == "upsert"), 500, 0)
    assert reported["warnings"] == [
        "500 rows were dropped by the database: a trigger or a rule of the table left them out"
    ]
    assert database.execute("SELECT count(*) FROM t") == [(500,)]
    again = json.loads(done(load(database, path, "t", *given, "--json")).stdout)
    assert (again["already"], again["rows"], again["dropped"]) == (True, reported["rows"], 500)


def test_rows_that_a_rule_drops_from_an_upsert_are_counted(database: Database, folder: Path) -> None:
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, name text);"
        "CREATE RULE few AS ON INSERT TO t WHERE NEW.id > 3 DO INSTEAD NOTHING"
    )
    path = write(folder, "id,name\n" + "".join(f"{number},n\n" for number in range(1, 9)))
    reported = json.loads(done(load(database, path, "t", "--mode", "upsert", "--key", "id", "--json")).stdout)
    assert (reported["rows"], reported["dropped"]) == (3, 5)


def test_a_row_with_an_existing_key_is_not_dropped(database: Database, folder: Path) -> None:
    database.execute(DROPPING.format(schema=database.schema).replace(", name text", ""))
    database.execute("INSERT INTO t VALUES (2)")
    reported = json.loads(
        done(load(database, write(folder, "id\n1\n2\n4\n"), "t", "--mode", "upsert", "--key", "id", "--json")).stdout
    )
    assert (reported["rows"], reported["dropped"]) == (2, 1)


def test_a_trigger_that_refuses_rows_and_drops_others(database: Database, folder: Path) -> None:
    database.execute(DROPPING.format(schema=database.schema).replace("name text", "name text CHECK (name <> 'bad')"))
    path = write(folder, "id,name\n1,a\n2,bad\n4,b\n")
    reported = json.loads(done(load(database, path, "t", "--max-rejects", "1", "--json")).stdout)
    assert (reported["rows"], reported["dropped"], reported["rejects"]) == (1, 1, 1)


@pytest.mark.parametrize("key", [(), ("--key", "id")])
@pytest.mark.parametrize("columns", ["id,name", "id"])
def test_rows_that_a_trigger_drops_from_a_replaced_table_are_counted(
    database: Database, folder: Path, key: tuple[str, ...], columns: str
) -> None:
    database.execute(DROPPING.format(schema=database.schema))
    database.execute("INSERT INTO t SELECT n * 2 FROM generate_series(0, 5) n")  # some of them are in the file too
    rows = "".join(f"{number},n\n" if "name" in columns else f"{number}\n" for number in range(4, 1000))
    path = write(folder, f"{columns}\n{rows}")
    reported = json.loads(done(load(database, path, "t", "--mode", "replace", *key, "--json")).stdout)
    assert (reported["rows"], reported["dropped"], reported["rejects"]) == (498, 498, 0)
    assert reported["warnings"] == [
        "498 rows were dropped by the database: a trigger or a rule of the table left them out"
    ]
    assert ids(database) == list(range(4, 1000, 2))
    again = json.loads(done(load(database, path, "t", "--mode", "replace", *key, "--json")).stdout)
    assert (again["rows"], again["dropped"]) == (498, 498)


@pytest.mark.parametrize("key", [(), ("--key", "id")])
@pytest.mark.parametrize(("rule", "kept"), [("", []), ("WHERE NEW.id > 3", [1, 2, 3])])
def test_rows_that_a_rule_drops_from_a_replaced_table_are_counted(
    database: Database, folder: Path, key: tuple[str, ...], rule: str, kept: list[int]
) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, name text)")
    database.execute(f"CREATE RULE few AS ON INSERT TO t {rule} DO INSTEAD NOTHING")
    path = write(folder, "id,name\n" + "".join(f"{number},n\n" for number in range(1, 9)))
    reported = json.loads(done(load(database, path, "t", "--mode", "replace", *key, "--json")).stdout)
    assert (reported["rows"], reported["dropped"], ids(database)) == (len(kept), 8 - len(kept), kept)


@pytest.mark.parametrize(("given", "kept"), [(("--atomic",), [2, 4, 7]), (("--mode", "replace"), [2, 4])])
@pytest.mark.parametrize("when", ["BEFORE", "AFTER"])
def test_rows_that_a_trigger_of_the_table_refuses_are_rejects_where_they_are_staged(
    database: Database, folder: Path, given: tuple[str, ...], kept: list[int], when: str
) -> None:
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (7, 'before');"
        f"CREATE FUNCTION {database.schema}.no_odd() RETURNS trigger LANGUAGE plpgsql AS $$"
        "BEGIN IF NEW.id % 2 = 1 THEN RAISE 'odd: %', NEW.id; END IF; RETURN NEW; END $$;"
        f"CREATE TRIGGER no_odd {when} INSERT ON t FOR EACH ROW EXECUTE FUNCTION {database.schema}.no_odd()"
    )
    path = write(folder, "id,name\n1,a\n2,b\n3,c\n4,d\n")
    assert "2 records were rejected, but the limit is 1" in failed(
        load(database, path, "t", *given, "--max-rejects", "1")
    )
    assert ids(database) == [7]
    reported = json.loads(done(load(database, path, "t", *given, "--max-rejects", "2", "--json")).stdout)
    assert (reported["rows"], reported["dropped"], reported["rejects"]) == (2, 0, 2)
    assert ids(database) == kept
    assert [(line["row"], line["reason"]) for line in rejects(path)] == [(1, "odd: 1"), (3, "odd: 3")]
    assert database.tables() == {"t", "penstock_ledger"}


# Errors of the database that concern rows.


@pytest.fixture
def latin1(database: Database) -> Iterator[str]:
    name = f"latin1_{database.schema}"
    database.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    yield make_conninfo(database.dsn, dbname=name, options="")
    database.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
def test_a_character_that_the_database_lacks_is_a_reject(
    database: Database, latin1: str, folder: Path, mode: str
) -> None:
    with psycopg.connect(latin1, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, n text)")
    path = write(folder, "id,n\n1,ä\n2,€\n3,ok\n")
    given = ("--mode", mode, *(("--key", "id") if mode == "upsert" else ()), "--max-rejects", "2")
    done(load(Database(latin1, "public"), path, "t", *given))
    with psycopg.connect(latin1) as connection:
        assert connection.execute("SELECT id, n FROM t ORDER BY id").fetchall() == [(1, "ä"), (3, "ok")]
    assert [(line["row"], line["raw"]) for line in rejects(path)] == [(2, "2,€")]


@pytest.mark.parametrize(
    ("name", "text", "table"),
    [("a.csv", "id,€\n1,2\n", "t"), ("a.jsonl", '{"id":1,"€":2}\n', "t"), ("a.csv", "id,n\n1,2\n", "t€")],
)
def test_a_name_that_the_database_cannot_store_is_reported(
    database: Database, latin1: str, folder: Path, *, name: str, text: str, table: str
) -> None:
    where = Database(latin1, "public")
    said = failed(load(where, write(folder, text, name), table, "--create"))
    what, named = ("a column", "€") if table == "t" else ("the table", table)
    assert f"{named!r} cannot be the name of {what}: the database's encoding LATIN1 lacks a character" in said
    done(load(where, write(folder, text.replace("€", "ä"), name), "tä", "--create"))


# Atomic loads.


def numbered(count: int, *more: str) -> str:
    return "id,name\n" + "".join(f"{number},{'name ' * 20}{number}\n" for number in range(count)) + "".join(more)


def ids(database: Database) -> list[int]:
    return [int(str(number)) for (number,) in database.execute("SELECT id FROM t ORDER BY id")]


UPSERT = ("--mode", "upsert", "--key", "id")
SMALL = ("--memory", "128", "--atomic")


@pytest.mark.parametrize("given", [(), UPSERT])
def test_an_atomic_load_of_many_chunks_is_loaded_completely_or_not_at_all(
    database: Database, folder: Path, given: tuple[str, ...]
) -> None:
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, name text CHECK (name <> 'bad'), at timestamptz DEFAULT now())"
    )
    database.execute("INSERT INTO t VALUES (-1, 'before')")
    path = write(folder, numbered(40_000, "40000,bad\n"))
    said = failed(load(database, path, "t", *given, *SMALL))
    assert "nothing of it is visible in t" in said
    assert (ids(database), database.tables()) == ([-1], {"t", "penstock_ledger"})
    path = write(folder, numbered(40_001))
    reported = json.loads(done(load(database, path, "t", *given, *SMALL, "--json")).stdout)
    assert (reported["rows"], reported["rejects"], reported["dropped"]) == (40_001, 0, 0)
    assert ids(database) == list(range(-1, 40_001))
    assert database.tables() == {"t", "penstock_ledger"}
    again = json.loads(done(load(database, path, "t", *given, *SMALL, "--json")).stdout)
    assert (again["already"], again["rows"]) == (True, 40_001)


def test_rows_that_only_the_table_refuses_are_found_by_the_move(database: Database, folder: Path) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, name text)")
    database.execute("INSERT INTO t VALUES (7, 'before'), (1900, 'before')")
    path = write(folder, "id,name\n" + "".join(f"{number},n\n" for number in range(2000)))
    said = failed(load(database, path, "t", *SMALL, "--max-rejects", "1"))
    assert "2 records were rejected, but the limit is 1" in said
    assert ids(database) == [7, 1900]
    reported = json.loads(done(load(database, path, "t", *SMALL, "--max-rejects", "0.5%", "--json")).stdout)
    assert (reported["rows"], reported["rejects"]) == (1998, 2)
    assert ids(database) == list(range(2000))
    assert [(line["row"], json.loads(str(line["raw"]))["id"]) for line in rejects(path)] == [(8, 7), (1901, 1900)]
    again = json.loads(done(load(database, path, "t", *SMALL, "--max-rejects", "0.5%", "--json")).stdout)
    assert (again["already"], again["rows"], again["rejects"]) == (True, 1998, 2)


def test_of_rows_with_one_key_an_atomic_upsert_keeps_the_last(database: Database, folder: Path) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY, name text)")
    path = write(folder, numbered(30_000, "5,last\n"))
    done(load(database, path, "t", *UPSERT, *SMALL))
    assert database.execute("SELECT name FROM t WHERE id = 5") == [("last",)]
    assert len(ids(database)) == 30_000


def test_rows_that_a_trigger_drops_from_an_atomic_load_are_counted(database: Database, folder: Path) -> None:
    database.execute(DROPPING.format(schema=database.schema))
    for given in ((), UPSERT):
        database.execute("TRUNCATE t")
        reported = json.loads(done(load(database, write(folder, numbered(1000)), "t", *given, *SMALL, "--json")).stdout)
        assert (reported["rows"], reported["dropped"]) == (500, 500)


def test_keys_that_a_trigger_drops_from_an_atomic_upsert_are_counted(database: Database, folder: Path) -> None:
    database.execute(DROPPING.format(schema=database.schema).replace(", name text", ""))
    database.execute("INSERT INTO t VALUES (2)")
    reported = json.loads(done(load(database, write(folder, "id\n1\n2\n4\n"), "t", *UPSERT, *SMALL, "--json")).stdout)
    assert (reported["rows"], reported["dropped"], ids(database)) == (2, 1, [2, 4])


def test_rows_that_a_rule_drops_from_an_atomic_load_are_counted(database: Database, folder: Path) -> None:
    database.execute("CREATE TABLE t (id int, name text); CREATE RULE none AS ON INSERT TO t DO INSTEAD NOTHING")
    reported = json.loads(done(load(database, write(folder, numbered(10)), "t", *SMALL, "--json")).stdout)
    assert (reported["rows"], reported["dropped"], ids(database)) == (0, 10, [])


@pytest.mark.parametrize("given", [("--mode", "replace"), ("--mode", "append"), ("--atomic",)])
def test_a_row_that_has_no_partition_is_a_reject(database: Database, folder: Path, given: tuple[str, ...]) -> None:
    database.execute(
        "CREATE TABLE t (id int, d date) PARTITION BY RANGE (d);"
        "CREATE TABLE t_24 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');"
        "CREATE TABLE t_25 PARTITION OF t FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    )
    path = write(folder, "id,d\n1,2024-01-05\n2,2031-03-05\n3,2025-02-01\n")
    done(load(database, path, "t", *given, "--max-rejects", "1"))
    assert ids(database) == [1, 3]
    (reject,) = rejects(path)
    assert (reject["row"], reject["offset"], reject["raw"]) == (2, 18, "2,2031-03-05")
    reported = 'no partition of relation "t" found' if "append" in given else 'no partition of "t" accepts this row'
    assert reported in str(reject["reason"])


@pytest.mark.parametrize("given", [("--mode", "replace"), ("--atomic",)])
def test_an_error_of_a_staging_table_names_its_target(database: Database, folder: Path, given: tuple[str, ...]) -> None:
    database.execute("CREATE TABLE t (id int PRIMARY KEY CHECK (id < 9), a int, b int, UNIQUE (a, b))")
    path = write(folder, "id,a,b\n1,1,1\n1,2,2\n2,1,1\n10,5,5\n")
    done(load(database, path, "t", *given, "--max-rejects", "3"))
    reported = [str(line["reason"]) for line in rejects(path)]
    assert len(reported) == 3
    assert not [reason for reason in reported if "penstock" in reason]
    assert 'new row for relation "t" violates check constraint "t_id_check"' in reported[2]


@pytest.mark.parametrize("given", [("--mode", "replace"), ("--mode", "append"), ("--atomic",)])
def test_a_default_partition_takes_every_row(database: Database, folder: Path, given: tuple[str, ...]) -> None:
    database.execute(
        "CREATE TABLE t (id int, d date) PARTITION BY LIST (id);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t_other PARTITION OF t DEFAULT"
    )
    done(load(database, write(folder, "id,d\n1,2024-01-05\n2,2031-03-05\n"), "t", *given))
    assert ids(database) == [1, 2]


# Tables that a load creates.


@pytest.mark.parametrize("given", [(), UPSERT, ("--mode", "replace"), ("--atomic",), (*UPSERT, "--atomic")])
def test_a_load_that_fails_before_a_row_is_committed_drops_the_table_that_it_created(
    database: Database, folder: Path, given: tuple[str, ...]
) -> None:
    path = write(folder, "id,name\n1,Ann\n2\n")
    failed(load(database, path, "t", "--create", *given))
    assert database.tables() == {"penstock_ledger"}
    done(load(database, path, "t", "--create", *given, "--max-rejects", "1"))
    assert ids(database) == [1]
    failed(load(database, write(folder, "id,name\n1,Ann\n2\n3\n", "more.csv"), "t", "--create", *given))
    assert ids(database) == [1]


def test_a_table_that_penstock_did_not_create_stays(database: Database, folder: Path) -> None:
    database.execute("CREATE TABLE t (id int, name text)")
    failed(load(database, write(folder, "id,name\n1,Ann\n2\n"), "t", "--create"))
    assert "t" in database.tables()


def test_a_table_that_a_load_made_for_a_file_of_no_records_stays(database: Database, folder: Path) -> None:
    routes = folder / "routes.toml"
    routes.write_text(
        "[[route]]\nname = 't'\nmatch = '*'\ndestination = 'postgresql:t'\n"
        "[route.table]\ncreate = true\ncolumns = [{ name = 'id', type = 'integer' }]\n"
    )
    path = write(folder, "id\n")
    given = ["run", str(path), "--routes", str(routes), "--dsn", database.dsn]
    done(CliRunner(mix_stderr=False).invoke(main, given))
    done(CliRunner(mix_stderr=False).invoke(main, given))
    path.write_text("id\nx\n")
    failed(CliRunner(mix_stderr=False).invoke(main, given))
    assert (ids(database), "t" in database.tables()) == ([], True)


def test_a_table_in_use_is_not_dropped(database: Database, folder: Path) -> None:
    with database.sink("other") as sink:
        table = Table("t", (Column("id", ColumnType.INTEGER), Column("name")), create=True)
        sink.begin(TablePlan(ParseOptions(), table))
        with psycopg.connect(database.dsn) as connection:
            connection.execute("SELECT FROM t")
            sink.abort()
            assert "t" in database.tables()
        sink.begin(TablePlan(ParseOptions(), table))
