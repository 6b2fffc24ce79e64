"""Values are loaded as the options of their columns say, or are rejects: in one pass and in spans, and in DynamoDB."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import openpyxl
import pytest

from penstock.errors import InvalidTableError
from postgres_database import Database
from table_loads import LOADERS, Load, in_one_pass

pytest_plugins = ["postgres_fixtures"]

PARTNER = """
create = true
columns = [
    { name = "id", type = "integer", decimal = ",", thousands = "." },
    { name = "amount", type = "numeric", decimal = ",", thousands = ".", currency = "€", negative = SIGNS },
    { name = "share", type = "numeric", decimal = ",", percent = "fraction" },
    { name = "day", type = "date", format = "%d.%m.%Y" },
    { name = "at", type = "timestamp", format = "%d.%m.%Y %H:%M", timezone = "Europe/Berlin", end_of_day = true },
    { name = "seen", type = "timestamp", format = "epoch_ms" },
    { name = "paid", type = "boolean", true = ["J"], false = ["N"] },
    { name = "code", trim = true, upper = true, default = "NONE" },
]
""".replace("SIGNS", '["parentheses", "trailing"]')
SEMICOLONS = "[route.parse]\ndelimiter = ';'"
HEADER = "id;amount;share;day;at;seen;paid;code\n"
# Of all columns together, nothing is plain.
LINE = "{id};{n}.234,56 €;12,5 %;31.12.2024;01.07.2024 {h:02}:30;1706745600{n:03};J; ab \n"
MANY = 3_000


@pytest.fixture(params=LOADERS)
def load(request: pytest.FixtureRequest) -> Load:
    return LOADERS[request.param]


def file(*late: str) -> str:
    lines = (
        LINE.format(id=f"{number:,}".replace(",", "."), n=number % 899 + 100, h=number % 24) for number in range(MANY)
    )
    return HEADER + "".join(lines) + "".join(f"{line}\n" for line in late)


def test_a_file_of_a_partner_is_loaded_as_its_columns_say(database: Database, load: Load) -> None:
    result = load(
        database,
        "t.csv",
        file(
            "3.000;(5,00 €);-3%;01.01.2025;31.12.2024 24:00;0;N;",
            "3.001;5,00-;;;27.10.2024 03:00;;;ß",
            "3.002;1.23.456;;;;;;",
            "3.003;;;;31.03.2024 02:30;;;",
            "3.004;;;;;;true;",
            "3.005;;;31.02.2025;;;;",
            "3.006;;12,5;;;;;",
        ),
        PARTNER + SEMICOLONS,
    )
    form = "decimal ',', thousands '.', currency '€', negative by parentheses or trailing"
    assert result.rejects == [
        (MANY + 3, "amount", f"'1.23.456' is not a number with {form}"),
        (MANY + 4, "at", "'31.03.2024 02:30' does not exist in Europe/Berlin: the clock is set forward from before it"),
        (MANY + 5, "paid", "'true' is none of the words for true and false: 'J' or 'N'"),
        (MANY + 6, "day", "'31.02.2025' is not in the format '%d.%m.%Y'"),
        (MANY + 7, "share", "'12,5' is not a number with decimal ',', a percent sign"),
    ]
    assert result.rows == MANY + 2
    rows = database.execute("SELECT * FROM t WHERE id IN (1, 2999, 3000, 3001) ORDER BY id")
    july = datetime(2024, 6, 30, 23, 30, tzinfo=UTC)
    seen = datetime(2024, 2, 1, 0, 0, 0, 101_000, UTC)
    first = (1, Decimal("101234.56"), Decimal("0.125"), date(2024, 12, 31), july, seen, True, "AB")
    assert rows[0] == first
    assert rows[1][1] == Decimal(f"{2_999 % 899 + 100}234.56")
    newyear = datetime(2024, 12, 31, 23, tzinfo=UTC)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert rows[2:] == [
        (3_000, Decimal("-5.00"), Decimal("-0.03"), date(2025, 1, 1), newyear, epoch, False, "NONE"),
        (3_001, Decimal("-5.00"), None, None, datetime(2024, 10, 27, 2, tzinfo=UTC), None, None, "SS"),
    ]


def test_rules_hold_for_texts_of_json_and_numbers_stay_numbers(database: Database, load: Load) -> None:
    records = [
        {"id": "1.000", "amount": "1.234,5", "seen": 1_706_745_600_000, "paid": True},
        {"id": 2, "amount": 1.5, "code": None},
    ]
    result = load(database, "t.jsonl", "".join(json.dumps(record) + "\n" for record in records), PARTNER)
    assert (result.rows, result.rejects) == (2, [])
    assert database.execute("SELECT id, amount, paid, code FROM t ORDER BY id DESC") == [
        (1_000, Decimal("1234.5"), True, "NONE"),
        (2, Decimal("1.5"), None, None),
    ]


def test_numbers_and_dates_of_a_workbook_are_no_texts(database: Database) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet
    sheet.append(["id", "amount", "share", "day", "at", "seen", "paid", "code"])
    noon = datetime(2024, 7, 1, 12)  # noqa: DTZ001  # a workbook knows no zones
    sheet.append([1000, 1.234, 0.125, noon.date(), noon, 1_706_745_600_000, True, 5])
    sheet.append(["1.001", "1.234", "12,5 %", "01.07.2024", "01.07.2024 12:00", "1706745600000", "J", None])
    file = io.BytesIO()
    book.save(file)
    assert in_one_pass(database, "t.xlsx", file.getvalue(), PARTNER).rejects == []
    alike = (Decimal("0.125"), date(2024, 7, 1), datetime(2024, 7, 1, 10, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    assert database.execute("SELECT * FROM t ORDER BY id") == [
        (1_000, Decimal("1.234"), *alike, True, "5"),
        (1_001, Decimal(1_234), *alike, True, "NONE"),
    ]


def test_a_column_of_another_type_takes_what_the_text_means(database: Database) -> None:
    database.execute("CREATE TABLE t (id text, amount text, day text, at timestamp, day_at date)")
    columns = """columns = [
        { name = "id", type = "integer", decimal = ",", thousands = "." },
        { name = "amount", type = "numeric", decimal = "," },
        { name = "day", type = "date", format = "%d.%m.%Y" },
        { name = "at", type = "timestamp", timezone = "Europe/Berlin" },
    ]"""
    lines = 'id,amount,day,at\n1.000,"1,50",31.12.2024,2024-07-01 12:00\n'
    assert in_one_pass(database, "t.csv", lines, columns).rejects == []
    assert in_one_pass(database, "u.csv", lines + "x,,,\n", columns).rejected == [2]
    row = ("1000", "1.50", "2024-12-31", datetime(2024, 7, 1, 10), None)  # noqa: DTZ001  # a column without zone
    assert database.execute("SELECT * FROM t") == [row, row]


ARRAYS = """
create = true
columns = [
    { name = "id", type = "integer" },
    { name = "tags", type = "text[]", default = "{}" },
    { name = "counts", type = "integer[]" },
    { name = "prices", type = "numeric[]" },
    { name = "days", type = "date[]" },
]
"""


def test_lists_of_json_become_arrays(database: Database, load: Load) -> None:
    records = [
        {
            "id": 1,
            "tags": ["a", 'b", c\\', None],
            "counts": [1, None],
            "prices": [1.50, 2],
            "days": ["2024-12-31"],
        },
        {"id": 2},
        {"id": 3, "tags": None, "counts": []},
        {"id": 4, "counts": [1.5]},
        {"id": 5, "counts": ["x"]},
        {"id": 6, "days": ["31.12.2024"]},
        {"id": 7, "counts": 1},
        {"id": 8, "tags": [["a"], ["b"]]},
    ]
    result = load(database, "t.jsonl", "".join(json.dumps(record) + "\n" for record in records), ARRAYS)
    assert result.rejected == [4, 5, 6, 7]
    assert database.execute("SELECT * FROM t ORDER BY id") == [
        (1, ["a", 'b", c\\', None], [1, None], [Decimal("1.5"), Decimal(2)], [date(2024, 12, 31)]),
        (2, [], None, None, None),
        (3, None, [], None, None),
        (8, [["a"], ["b"]], None, None, None),
    ]


def test_an_array_of_a_csv_is_written_as_the_database_writes_it(database: Database) -> None:
    lines = 'id,tags,counts,prices,days\n1,"{a,""b, c""}","{1,2}",,\n2,,"[1,2]",,\n'
    assert in_one_pass(database, "t.csv", lines, ARRAYS).rejected == [2]
    assert database.execute("SELECT tags, counts FROM t") == [(["a", "b, c"], [1, 2])]


def test_a_column_that_is_no_array_is_refused(database: Database) -> None:
    database.execute("CREATE TABLE t (id bigint, tags text, counts int[], prices float[], days date[])")
    with pytest.raises(InvalidTableError, match=r"column 'tags' is no array, but the route declares text\[\]"):
        in_one_pass(database, "t.jsonl", '{"id": 1}\n', ARRAYS)


UNSET = """
columns = [
    { name = "id", type = "integer" },
    { name = "state", absent = "unset" },
    { name = "city", from = "address.city", absent = "unset" },
]
"""
WITH_DEFAULTS = "CREATE TABLE t (id bigint PRIMARY KEY, state text DEFAULT 'new', city text DEFAULT 'nowhere' NOT NULL)"


@pytest.mark.parametrize("mode", ["", "atomic = true", "mode = 'replace'"])
def test_an_absent_key_leaves_the_default_of_the_database(database: Database, load: Load, mode: str) -> None:
    database.execute(WITH_DEFAULTS)
    records = [
        {"id": 1, "state": "old", "address": {"city": "Ulm"}},
        {"id": 2},
        {"id": 3, "state": None, "address": {}},
        {"id": 4, "address": {"city": None}},
        {"id": "x"},
    ]
    result = load(database, "t.jsonl", "".join(json.dumps(record) + "\n" for record in records), mode + UNSET)
    assert result.rejected == [4, 5]
    assert database.execute("SELECT * FROM t ORDER BY id") == [
        (1, "old", "Ulm"),
        (2, "new", "nowhere"),
        (3, None, "nowhere"),
    ]


def test_an_absent_key_leaves_a_row_as_it_is_in_an_upsert(database: Database, load: Load) -> None:
    database.execute(WITH_DEFAULTS)
    records = [
        {"id": 1, "state": "old", "address": {"city": "Ulm"}},
        {"id": 1},
        {"id": 1, "state": "older"},
        {"id": 2, "state": None},
        {"id": 2, "address": {"city": "Bonn"}},
    ]
    table = "mode = 'upsert'\nkey = 'id'" + UNSET
    assert load(database, "t.jsonl", "".join(json.dumps(record) + "\n" for record in records), table).rejects == []
    assert database.execute("SELECT * FROM t ORDER BY id") == [(1, "older", "Ulm"), (2, None, "Bonn")]
