"""`penstock check`: all of a source is parsed as its route would, and nothing is loaded."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from penstock_cli.main import main
from postgres_database import Database
from table_loads import in_one_pass, route

pytest_plugins = ["postgres_fixtures"]

ROUTES = """
[[route]]
name = "orders"
match = "*orders*"
destination = "postgresql:orders"
[route.table]
columns = [{ name = "id", type = "integer" }, { name = "name" }, { name = "amount", type = "numeric" }]

[[route]]
name = "copy"
match = "*"
destination = "s3://lake/{key}"
"""
GOOD = "id,name,amount\n1,Ann,2.50\n2,,3\n"
BAD = "id,name,amount\n1,Ann,2.50\nx,Bob,3\n3,Eve\n4,Joe,4\n"


def check(*arguments: object) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, ["check", *map(str, arguments)])


def answer(*arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(check(*arguments, "--json").stdout)
    return found


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    path = tmp_path / "routes.toml"
    path.write_text(ROUTES)
    return path


def written(folder: Path, text: str) -> Path:
    path = folder / "orders.csv"
    path.write_text(text)
    return path


def test_a_good_source_is_described_and_ends_with_0(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv.gz"
    path.write_bytes(gzip.compress(GOOD.encode()))
    result = check(path)
    assert result.exit_code == 0
    assert "2 records, 0 rejected" in result.stdout
    found = answer(path)
    assert found["codec"] == "gzip"
    (table,) = found["tables"]
    assert [(one["name"], one["type"], one["nulls"], one["distinct"]) for one in table["columns"]] == [
        ("id", "integer", 0, 2),
        ("name", "text", 1, 1),
        ("amount", "numeric", 0, 2),
    ]
    assert (table["columns"][2]["least"], table["columns"][2]["most"]) == ("2.50", "3")


def test_all_rejects_are_counted_and_the_first_are_listed(tmp_path: Path, routes: Path) -> None:
    path = written(tmp_path, BAD)
    result = check(path, "--routes", routes, "--limit", "1")
    assert result.exit_code == 1
    assert "'x' is not an integer" in result.stdout
    assert "The first 1 of 2 rejects" in result.stdout
    found = answer(path, "--routes", routes)
    assert (found["records"], found["rejects"], found["fails"]) == (4, 2, True)
    assert {(one["column"], one["reason"], one["count"]) for one in found["reasons"]} == {
        ("id", "... is not an integer", 1),
        ("", "expected 3 fields, found 2", 1),
    }
    assert found["first_rejects"][0] == {
        "span": 0,
        "row": 2,
        "offset": 26,
        "column": "id",
        "reason": "'x' is not an integer",
        "raw": "x,Bob,3",
    }
    assert not list(tmp_path.glob("*.rejects*"))


def test_the_exit_code_is_that_of_the_limit(tmp_path: Path) -> None:
    path = written(tmp_path, BAD)
    assert check(path, "--max-rejects", "50%").exit_code == 0
    assert check(path, "--max-rejects", "10%").exit_code == 1
    assert check(path, "--max-rejects", "1").exit_code == 0


def test_a_route_to_an_object_has_no_records(tmp_path: Path, routes: Path) -> None:
    path = written(tmp_path, GOOD)
    result = check(path, "--routes", routes, "--route", "copy")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "does not lead to a table" in result.stderr


def test_options_and_routes_exclude_each_other(tmp_path: Path, routes: Path) -> None:
    path = written(tmp_path, GOOD)
    assert check(path, "--routes", routes, "--delimiter", ";").exit_code == 2
    assert check(path, "--routes", routes, "--to", "postgresql:t").exit_code == 2
    assert check(path, "--route", "orders").exit_code == 2


def test_the_real_table_is_compared_and_not_changed(tmp_path: Path, routes: Path, database: Database) -> None:
    database.execute("CREATE TABLE orders (id smallint PRIMARY KEY, name varchar(3) NOT NULL, amount numeric(4,2))")
    rows = ["1,Ann,1", "1,Bob,1", "40000,Eve,1", "2,,1", "3,Anna,1", "4,Joe,1.239", "5,Joe,123", "6,Joe,99.99"]
    path = written(tmp_path, "\n".join(["id,name,amount", *rows]) + "\n")
    found = answer(path, "--routes", routes, "--dsn", database.dsn)
    assert [(reject["row"], reject["column"]) for reject in found["first_rejects"]] == [
        (2, "id"),
        (3, "id"),
        (4, "name"),
        (5, "name"),
        (6, "amount"),
        (7, "amount"),
    ]
    assert (found["table_read"], found["fails"]) == (True, True)
    assert database.execute("SELECT count(*) FROM orders") == [(0,)]
    assert database.tables() == {"orders"}


def test_what_a_load_refuses_before_its_first_row_is_refused(tmp_path: Path, routes: Path, database: Database) -> None:
    path = written(tmp_path, GOOD)
    missing = check(path, "--routes", routes, "--dsn", database.dsn)
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "table orders does not exist" in missing.stderr
    database.execute("CREATE TABLE orders (id int, name text)")
    assert "has no column 'amount'" in check(path, "--routes", routes, "--dsn", database.dsn).stderr
    database.execute('ALTER TABLE orders ADD COLUMN "Amount" text')
    assert "did you mean 'Amount'?" in check(path, "--routes", routes, "--dsn", database.dsn).stderr
    assert check(path, "--to", "postgresql:others", "--create", "--dsn", database.dsn).exit_code == 0
    assert database.tables() == {"orders"}


def test_columns_that_a_load_would_add_are_named(tmp_path: Path, database: Database) -> None:
    path = written(tmp_path, GOOD)
    database.execute("CREATE TABLE orders (id int)")
    found = answer(path, "--to", "postgresql:orders", "--evolve", "add", "--dsn", database.dsn)
    assert found["added"] == ["orders.name", "orders.amount"]
    assert (found["rows"], found["rejects"]) == (2, 0)
    assert database.execute("SELECT count(*) FROM information_schema.columns WHERE table_name = 'orders'") == [(1,)]


def test_protected_values_are_not_shown(tmp_path: Path) -> None:
    routes = tmp_path / "routes.toml"
    columns = '[{ name = "id", type = "integer" }, { name = "mail", hash = "sha256" }]'
    routes.write_text(
        f'[[route]]\nname = "o"\nmatch = "*"\ndestination = "postgresql:o"\ntable = {{ columns = {columns} }}\n'
    )
    path = written(tmp_path, "id,mail\n1,ann@example.org\nx,bob@example.org\n3,eve@example.org,4\n")
    for result in (check(path, "--routes", routes), check(path, "--routes", routes, "--json")):
        assert result.exit_code == 1
        assert "example.org" not in result.stdout + result.stderr


def test_rows_that_repeat_the_key_of_the_route_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "id,name\n1,Ann\n1,Bob\n2,Eve\n")
    options = ("--to", "postgresql:orders", "--mode", "upsert", "--key", "id")
    result = check(path, *options)
    assert result.exit_code == 0
    assert "key (id): 1 row with a key that came before (the last row of each wins)" in result.stdout
    (key,) = answer(path, *options)["tables"][0]["keys"]
    assert key == {"columns": ["id"], "repeats": 1, "rows": 3, "unique": False}


# Element types, with arrays of which a load takes some.
ARRAYS = {
    "text": ["{a b, c}", "{", "a", "{a,}", "{{a},{b,c}}", '{"a"b}', "{}", r'{"a\"b",c\,d,NULL}', "[2:3]={a,b}"],
    "integer": ["{1,NULL}", "{1,x}", "{12.0}", "{9223372036854775808}", "{ +1 , -2 }", '{""}', "{{1},{2}}"],
    "numeric": ["{1.5,1e3}", "{1,5x}", "{NaN}", "{1.5.0}"],
    "float": ["{1e400}", "{inf}", "{1.5}", "{1:5}"],
    "boolean": ["{t,FALSE,of}", "{ja}", "{on,0}", "{o}"],
    "date": ["{2024-02-29}", "{2023-02-29}", "{03.04.05}", "{today}"],
    "timestamp": ["{2024-02-29 10:00}", "{2024-02-30 10:00}", "{2024-02-29 24:00}", "{10:00}", "{infinity}"],
    "json": [r'{"{\"a\": 1}"}', "{a}", "{1}"],
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_are_refused_that_a_load_refuses(tmp_path: Path, database: Database, kind: str) -> None:
    table = f"create = true\ncolumns = [{{ name = 'id', type = 'integer' }}, {{ name = 'v', type = '{kind}[]' }}]"
    data = "".join(json.dumps({"id": n, "v": array}) + "\n" for n, array in enumerate(ARRAYS[kind]))
    path, routes = tmp_path / "t.jsonl", tmp_path / "routes.toml"
    path.write_text(data)
    routes.write_text(route(table))
    new = answer(path, "--routes", routes)
    loaded = in_one_pass(database, "t.jsonl", data, table)
    existing = answer(path, "--routes", routes, "--dsn", database.dsn)
    assert 0 < len(loaded.rejects) < len(ARRAYS[kind])
    for found in (new, existing):
        assert [reject["row"] for reject in found["first_rejects"]] == loaded.rejected
        assert {reject["column"] for reject in found["first_rejects"]} == {"v"}


def test_elements_are_within_the_limits_of_the_table(tmp_path: Path, database: Database) -> None:
    database.execute("CREATE TABLE orders (id int[], name varchar(3)[] NOT NULL, amount numeric(4,2)[], who uuid[])")
    rows = [
        {"id": [1, None], "name": ["abc", "def"], "amount": [99.99], "who": ["x"]},
        {"id": [2**31], "name": [], "who": "{}"},
        {"name": ["abcd"]},
        {"name": None},
        {"name": [], "amount": [100]},
        {"name": [], "amount": ["1.239"]},
        {"name": [], "who": "x"},
    ]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    routes = tmp_path / "routes.toml"
    columns = ", ".join(f"{{ name = '{name}' }}" for name in ("id", "name", "amount", "who"))
    routes.write_text(route(f"columns = [{columns}]", "postgresql:orders"))
    found = answer(path, "--routes", routes, "--dsn", database.dsn)["first_rejects"]
    assert [(one["row"], one["column"]) for one in found] == [
        *[(2, "id"), (3, "name"), (4, "name"), (5, "amount"), (6, "amount"), (7, "who")]
    ]


def test_reasons_of_arrays_show_no_value_where_columns_are_protected(tmp_path: Path) -> None:
    columns = "[{ name = 'v', type = 'integer[]' }, { name = 'mail', hash = 'sha256' }]"
    routes = tmp_path / "routes.toml"
    routes.write_text(route(f"columns = {columns}"))
    path = tmp_path / "t.jsonl"
    path.write_text('{"v": ["ann@example.org"], "mail": "x"}\n')
    (reject,) = answer(path, "--routes", routes)["first_rejects"]
    assert (reject["reason"], reject["raw"]) == ("(hidden) is not an integer", "")


def test_what_files_of_parquet_do_not_hold_is_a_reject(tmp_path: Path) -> None:
    path = written(tmp_path, "id,latitude\n1,123456789.5\n2,13.4\n3,1e-30\n")
    found = check(path, "--to", tmp_path / "orders.parquet")
    assert "'1e-30' would be rounded" in found.stdout
    assert (found.exit_code, list(tmp_path.iterdir())) == (1, [path])
