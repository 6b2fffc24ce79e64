"""A value in the table is that in the file, or a reject says why: in one pass and in spans."""

from __future__ import annotations

import json

import pytest

from postgres_database import Database
from table_loads import LOADERS, Load, in_one_pass

pytest_plugins = ["postgres_fixtures"]

# After the sample.
MANY = 10_100
INTO = "mode = 'append'"


@pytest.fixture(params=LOADERS)
def load(request: pytest.FixtureRequest) -> Load:
    return LOADERS[request.param]


def lines(header: str, row: str, *late: str) -> str:
    """Many rows, with ``{n}`` replaced by the number of the row from 0, and some rows after them."""
    return "\n".join([header, *(row.replace("{n}", str(n)) for n in range(MANY)), *late, ""])


def column(database: Database, name: str, where: str = "true") -> list[str | None]:
    found = database.execute(f"SELECT {name}::text FROM t WHERE {where} ORDER BY id::bigint")
    return [None if value is None else str(value) for (value,) in found]


def late(database: Database, name: str) -> list[str | None]:
    return column(database, name, f"id::bigint >= {MANY}")


# Inferred columns: after the sample they only accept values of the same spelling.


@pytest.mark.parametrize(
    ("sample", "good", "bad"),
    [
        ("{n}", ["0", "-7"], ["02134", "+15551234", " 12 ", "12.0", "1e3", "-0", "A17", "99999999999999999999"]),
        ("{n}.5", ["0", "-7.25", "1e3", "1E-2", "0.10"], ["02134", "+1.5", " 1.5", ".5", "5.", "NaN", "-00.5"]),
        ("true", ["false"], ["1", "yes", "t", "True", "TRUE", " true"]),
        ("2024-01-02", ["1999-12-31"], ["20200102", "2024-01-02T00:00:00", "03.04.05", "2024-02-30", " 2024-01-02"]),
        (
            "2024-01-02T10:00:00Z",
            ["2024-01-02T10:00:00.5+02:00"],
            ["2024-01-02T10:00:00", "2024-01-02", "2024-01-02 10:00:00Z", "20240102T100000Z", "2024-01-02T10:00Z"],
        ),
        ("2024-01-02 10:00", ["2024-12-31 23:59"], ["2024-01-02 10:00Z", "2024-01-02 10:00:00", "now"]),
    ],
)
def test_behind_the_sample_an_inferred_column_takes_its_spellings_only(
    database: Database, load: Load, sample: str, good: list[str], bad: list[str]
) -> None:
    text = lines("id,v", f"{{n}},{sample}", *(f"{MANY + n},{value}" for n, value in enumerate([*good, *bad])))
    done = load(database, "t.csv", text)
    assert done.rows == MANY + len(good)
    first = MANY + len(good) + 1
    assert done.rejected == list(range(first, first + len(bad)))
    assert {name for _, name, _ in done.rejects} == {"v"}
    assert all(
        "inferred" in reason or "does not fit 64 bits" in reason or "is not a date" in reason
        for _, _, reason in done.rejects
    )


def test_digits_are_kept_whatever_other_values_are_in_the_column(database: Database) -> None:
    in_one_pass(
        database, "t.csv", "id,a\n1,1e5\n2,12345678901234567.25\n3,0.1234567890123456789012345678901234567890\n"
    )
    assert column(database, "a") == ["100000", "12345678901234567.25", "0.1234567890123456789012345678901234567890"]


@pytest.mark.parametrize("mode", ["append", "replace", "upsert"])
def test_a_table_made_by_inference_keeps_its_rules_for_every_later_file(database: Database, mode: str) -> None:
    how = f"create = true\nmode = '{mode}'\n" + ("key = ['id']" if mode == "upsert" else "")
    in_one_pass(database, "a.csv", "id,n,b,d,t\n1,5,true,2024-01-02,2024-01-02T10:00:00Z\n", how)
    for name in ("b.csv", "c.csv"):  # a replaced table is marked too
        done = in_one_pass(
            database,
            name,
            "id,n,b,d,t\n2,007,true,2024-01-02,2024-01-02T10:00:00Z\n3,7,yes,2024-01-02,2024-01-02T10:00:00Z\n"
            "4,7,true,20240102,2024-01-02T10:00:00Z\n5,7,true,2024-01-02,2024-01-02T10:00:00\n"
            "6,7,false,2024-01-03,2024-01-02T12:00:00+02:00\n",
            how,
        )
        assert [(row, name) for row, name, _ in done.rejects] == [(1, "n"), (2, "b"), (3, "d"), (4, "t")]
        assert done.rows == 1


def test_without_its_mark_a_column_is_like_any_other(database: Database) -> None:
    in_one_pass(database, "a.csv", "id,n\n1,5\n")
    database.execute("COMMENT ON COLUMN t.n IS NULL")
    assert in_one_pass(database, "b.csv", "id,n\n2,007\n").rejects == []
    assert column(database, "n") == ["5", "7"]


def test_a_column_that_was_altered_since_is_like_any_other(database: Database) -> None:
    in_one_pass(database, "a.csv", "id,n\n1,5\n")
    database.execute("ALTER TABLE t ALTER n TYPE text")
    assert in_one_pass(database, "b.csv", "id,n\n2,007\n").rejects == []
    assert column(database, "n") == ["5", "007"]


# Existing tables: their types are the types of the columns.


def test_a_text_column_keeps_texts_unchanged(database: Database, load: Load) -> None:
    database.execute("CREATE TABLE t (id text, v varchar(9))")
    odd = ["A17", " 12 ", "12.0", "0049123", "+5", "1e5", "TRUE", "20240102", '"x ""y"""']
    text = lines("id,v", "{n},{n}", *(f"{MANY + n},{value}" for n, value in enumerate(odd)))
    assert load(database, "t.csv", text, INTO).rejects == []
    assert late(database, "v") == [*odd[:-1], 'x "y"']


def test_a_value_does_not_depend_on_the_other_values(database: Database) -> None:
    database.execute("CREATE TABLE t (id text, v text)")
    in_one_pass(database, "alone.csv", "id,v\n1,0049123\n", INTO)
    in_one_pass(database, "beside.csv", "id,v\n" + "".join(f"{n},{n}\n" for n in range(2, 50)) + "50,0049123\n", INTO)
    assert column(database, "v", "v LIKE '%49123'") == ["0049123", "0049123"]


@pytest.mark.parametrize("declared", ["integer", "numeric", "boolean", "timestamp"])
def test_a_text_column_keeps_texts_also_where_the_route_checks_them(database: Database, declared: str) -> None:
    database.execute("CREATE TABLE t (id text, v text)")
    values = {
        "integer": ["007", " +7 "],
        "numeric": ["1.50", " 1e5"],
        "boolean": ["true", " Y"],
        "timestamp": ["2024-01-02T10:00Z", "20240102 "],
    }[declared]
    table = f"columns = [{{ name = 'id' }}, {{ name = 'v', type = '{declared}' }}]"
    text = "id,v\n" + "".join(f"{n},{value}\n" for n, value in enumerate([*values, "?"]))
    assert in_one_pass(database, "t.csv", text, table).rejected == [3]
    assert column(database, "v") == values


def test_keys_that_are_texts_do_not_collapse(database: Database, load: Load) -> None:
    database.execute("CREATE TABLE t (id text PRIMARY KEY, v text)")
    load(database, "t.csv", lines("id,v", "{n},first {n}", "0123,z", "+200,p"), "mode = 'upsert'\nkey = ['id']")
    assert database.execute("SELECT count(*) FROM t") == [(MANY + 2,)]
    assert database.execute("SELECT v FROM t WHERE id IN ('123', '0123', '200', '+200') ORDER BY v") == [
        ("first 123",),
        ("first 200",),
        ("p",),
        ("z",),
    ]


@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint"])
def test_an_integer_column_takes_integers_however_they_are_written(database: Database, kind: str) -> None:
    database.execute(f"CREATE TABLE t (id int, n {kind})")
    done = in_one_pass(database, "t.csv", "id,n\n1,1.0\n2,\n3,2.0\n4,02134\n5,+7\n6,1.5\n7,x\n8,1e2\n", INTO)
    assert column(database, "n") == ["1", None, "2", "2134", "7"]
    assert done.rejected == [6, 7, 8]


def test_what_is_too_large_for_the_column_is_a_reject(database: Database, load: Load) -> None:
    database.execute("CREATE TABLE t (id int, n smallint, v varchar(3), c char(3))")
    done = load(
        database, "t.csv", "id,n,v,c\n1,40000,a,a\n2,1,abcd,a\n3,1,abc ,a\n4,1,a b,abcd\n5,-32768, b ,ab\n", INTO
    )
    assert done.rejected == [1, 2, 3, 4]
    assert database.execute("SELECT * FROM t") == [(5, -32768, " b ", "ab ")]


@pytest.mark.parametrize("declared", [INTO, "columns = [{ name = 'id' }, { name = 'n', type = 'numeric' }]"])
def test_a_number_is_not_rounded_to_the_columns_scale(database: Database, declared: str) -> None:
    database.execute("CREATE TABLE t (id int, n numeric(6, 2))")
    done = in_one_pass(database, "t.csv", "id,n\n1,1.239\n2,1.2300\n3,-12.5e-1\n4,1e-3\n5,7\n6,0.000\n", declared)
    assert (column(database, "n"), done.rejected) == (["1.23", "-1.25", "7.00", "0.00"], [1, 4])
    assert "would be rounded: the column keeps 2 digits" in done.rejects[0][2]


def test_an_ambiguous_date_is_a_reject_that_asks_for_a_format(database: Database, load: Load) -> None:
    database.execute("CREATE TABLE t (id int, d date, at timestamptz, days date[], hour time, span daterange)")
    done = load(
        database,
        "t.csv",
        "id,d,at,days,hour,span\n1,03.04.05,,,,\n2,31/12/2024,,,,\n3,,01/02/2024 10:00,,,\n4,,,{03.04.05},,\n"
        '5,,,,now,\n6,,,,,"[01-02-03,)"\n7,2024-01-02,2024-01-02 10:00,"{2024-01-02,NULL}",04:05 PM,"[2024-01-02,)"\n'
        "8,today,,,,\n",
        INTO,
    )
    assert done.rejected == [1, 2, 3, 4, 5, 6, 8]
    assert "declare the column's format" in done.rejects[0][2]
    assert database.execute("SELECT t::text FROM t") == [
        ('(7,2024-01-02,"2024-01-02 10:00:00+00","{2024-01-02,NULL}",16:05:00,"[2024-01-02,)")',)
    ]


@pytest.mark.parametrize(
    "table", [INTO, "columns = [{ name = 'id', type = 'integer' }, { name = 'v', type = 'timestamp' }]"]
)
def test_a_column_without_zone_holds_utc(database: Database, load: Load, table: str) -> None:
    database.execute("CREATE TABLE t (id int, v timestamp)")
    moments = ["2024-01-01T12:00:00+02:00", "2024-01-01T12:00:00Z", "2024-01-01T12:00:00", "2024-01-01 23:30-0130"]
    text = "id,v\n" + "".join(f"{n},{moment}\n" for n, moment in enumerate(moments)) + "4,0001-01-01T00:00+02:00\n"
    assert load(database, "t.csv", text, table).rejected == [5]
    assert column(database, "v") == [f"2024-01-01 {hour}:00:00" for hour in (10, 12, 12)] + ["2024-01-02 01:00:00"]


def test_a_declared_format_is_stored_as_the_column_is(database: Database) -> None:
    database.execute("CREATE TABLE t (id int, v timestamp, d date)")
    table = (
        "columns = [{ name = 'id', type = 'integer' }, { name = 'd', type = 'date', format = '%d.%m.%y' },"
        "{ name = 'v', type = 'timestamp', format = '%d.%m.%Y %H:%M %z' }]"
    )
    in_one_pass(database, "t.csv", "id,v,d\n1,02.01.2024 12:00 +0200,03.04.05\n", table)
    assert database.execute("SELECT v::text, d::text FROM t") == [("2024-01-02 10:00:00", "2005-04-03")]


def test_seconds_are_not_rounded_to_the_columns_precision(database: Database) -> None:
    database.execute("CREATE TABLE t (id int, v timestamptz(0), w timestamp)")
    text = "id,v,w\n1,2024-01-01T10:00:00.5Z,\n2,2024-01-01T10:00:00.000Z,\n3,,2024-01-01T10:00:00.123456789\n"
    done = in_one_pass(database, "t.csv", text, INTO)
    assert (column(database, "v"), done.rejected) == (["2024-01-01 10:00:00+00"], [1, 3])


@pytest.mark.parametrize("key", ["t.csv", "t.jsonl"])
def test_types_that_only_the_database_reads_get_the_text_as_it_is(database: Database, load: Load, key: str) -> None:
    database.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
    database.execute("CREATE DOMAIN code AS text CHECK (VALUE ~ '^[0-9]{3}$')")
    database.execute(
        "CREATE TABLE t (id bigint GENERATED BY DEFAULT AS IDENTITY, u uuid, m mood, c code, i inet, "
        "b bytea, s interval)"
    )
    good = {
        "id": 1,
        "u": "0d9f3b6e-9b8f-4b7a-8a7e-3a1f0f5b6c7d",
        "m": "ok",
        "c": "007",
        "i": "10.0.0.1",
        "b": "\\x0102",
        "s": "1 day 02:00:00",
    }
    rows = [
        good,
        *(
            {**good, "id": n, name: bad}
            for n, (name, bad) in enumerate(
                [("u", "12"), ("m", "glad"), ("c", "7"), ("i", "10.0.0.300"), ("b", "\\xz"), ("s", "soon")], 2
            )
        ),
    ]
    if key == "t.csv":
        text = "\n".join([",".join(good), *(",".join(map(str, row.values())) for row in rows), ""])
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    done = load(database, key, text, INTO)
    assert done.rejected == [2, 3, 4, 5, 6, 7]
    assert database.execute("SELECT t::text FROM t") == [
        ('(1,0d9f3b6e-9b8f-4b7a-8a7e-3a1f0f5b6c7d,ok,007,10.0.0.1,"\\\\x0102","1 day 02:00:00")',)
    ]


def test_domains_are_held_as_the_type_below_them(database: Database) -> None:
    database.execute("CREATE DOMAIN label AS text; CREATE DOMAIN short AS label; CREATE DOMAIN price AS numeric(6,2)")
    database.execute("CREATE TABLE t (id int, v short, p price)")
    done = in_one_pass(database, "t.csv", "id,v,p\n1,007,1.5\n2,008,1.555\n", INTO)
    assert (column(database, "v"), done.rejected) == (["007"], [2])


PARTS = """
CREATE TYPE price AS (amount numeric(6,2), day date, at timestamp, note varchar(3), days date[]);
CREATE DOMAIN cents AS numeric(6,2); CREATE DOMAIN prices AS price[]; CREATE DOMAIN day AS date;
CREATE TYPE centrange AS RANGE (subtype = cents);
CREATE TYPE deal AS (price price, span daterange, n int);
CREATE TABLE t (id int, p price, l prices, c cents[], r centrange, m tsmultirange, d deal, w day[], o oidvector,
  s interval hour[])
"""


def test_parts_of_values_are_checked_by_their_own_types(database: Database, load: Load) -> None:
    database.execute(PARTS)
    good = {
        "p": '(1.50,2024-12-31,"2024-12-31 10:00",abc,"{2024-01-01,NULL}")',
        "l": '{"(1.50,2024-12-31,,,)",NULL}',
        "c": "{{1.5,2.250},{3,NULL}}",
        "r": "[1.5,)",
        "m": "{[2024-01-01 10:00,2024-01-02),(2025-01-01,)}",
        "d": '("(1.50,2024-12-31,,abc,)","[2024-01-01,)",5)',
        "w": "[2:3]={2024-01-01,infinity}",
        "o": "5 7",
        "s": "{1 day 02:00,1 hour}",
    }
    bad = {
        "p": ["(1.555,,,,)", "(,03.04.05,,,)", "(,,01/02/2024,,)", "(,,,abc ,)", "(,,,,{03.04.05})", "(,,,)",
              '(,,"2024-01-01 10:00:00+02",,)', '(,"2024-01-01 10:00",,,)', '("1.5""",,,,)'],
        "l": ['{"(1.555,,,,)"}', '{"(,03.04.05,,,)"}', '{"(,,,\\"abc \\",)"}', "{(1.5}"],
        "c": ["{1.555}", "{{1.5},{2.255}}", '{"1.555"}', "{1.5", "1.5"],
        "r": ["[1.555,)", "[1,2.005]", '["1.555",)', "[1.5"],
        "m": ["{[01.02.03,)}", "{[2024-01-01 10:00:00+02,)}", "{[2024-01-01,),[01.02.03,)}"],
        "d": ['("(1.555,,,,)",,)', '(,"[01.02.03,)",)', '(,"[2024-01-01 10:00,)",)'],
        "w": ["{03.04.05}", "{2024-01-01T10:00}"],
        "o": ["5 -1", "010"],
        "s": ["{01:30}", "{1.5 hours}"],
    }  # fmt: skip
    rows = [good, *({**good, name: text} for name, texts in bad.items() for text in texts)]
    text = "".join(json.dumps({"id": n, **row}) + "\n" for n, row in enumerate(rows))
    done = load(database, "t.jsonl", text, INTO)
    assert [rows[n][name] for n, name in [(row - 1, name) for row, name, _ in done.rejects]] == [
        text for texts in bad.values() for text in texts
    ]
    assert database.execute("SELECT p::text, l::text, c::text, r::text, d::text, w::text, s::text FROM t") == [
        (
            '(1.50,2024-12-31,"2024-12-31 10:00:00",abc,"{2024-01-01,NULL}")',
            '{"(1.50,2024-12-31,,,)",NULL}',
            "{{1.50,2.25},{3.00,NULL}}",
            "[1.50,)",
            '("(1.50,2024-12-31,,abc,)","[2024-01-01,)",5)',
            "[2:3]={2024-01-01,infinity}",
            '{"1 day 02:00:00",01:00:00}',
        )
    ]


@pytest.mark.parametrize("mode", ["atomic = true", "mode = 'replace'", "mode = 'upsert'\nkey = ['id']"])
def test_parts_of_values_are_checked_in_every_mode(database: Database, mode: str) -> None:
    database.execute("CREATE TYPE price AS (amount numeric(6,2), day date)")
    database.execute("CREATE TABLE t (id int PRIMARY KEY, p price, m money)")
    text = 'id,p,m\n1,"(1.50,2024-12-31)",1.23\n2,"(1.555,)",\n3,"(,03.04.05)",\n4,,1.239\n'
    assert in_one_pass(database, "t.csv", text, mode).rejected == [2, 3, 4]
    declared = f"columns = [{{ name = 'id' }}, {{ name = 'p' }}, {{ name = 'm', type = 'numeric' }}]\n{mode}"
    assert in_one_pass(database, "u.csv", text.replace("\n1,", "\n9,"), declared).rejected == [2, 3, 4]


# JSON


def test_json_strings_go_into_a_text_column_without_quotes(database: Database, load: Load) -> None:
    database.execute("CREATE TABLE t (id int, v text, n numeric)")
    values = ["abc", {"a": 1}, "x", 5, True, [1, "b"], "007"]
    text = "".join(json.dumps({"id": n, "v": value, "n": "1.50"}) + "\n" for n, value in enumerate(values))
    assert load(database, "t.jsonl", text, INTO).rejects == []
    assert column(database, "v") == ["abc", '{"a": 1}', "x", "5", "true", '[1, "b"]', "007"]
    assert column(database, "n") == ["1.50"] * len(values)


NUMBERS = [
    "1e5",
    "1E+5",
    "-0",
    "0",
    "-0.0",
    "1.10",
    "0.0000001",
    "1e-7",
    "2E400",
    "100",
    "12345678901234567890.50",
    "-1.5e3",
]


@pytest.mark.parametrize("key", ["t.jsonl", "t.json"])
@pytest.mark.parametrize("table", ["mode = 'append'", "columns = [{ name = 'id' }, { name = 'v' }, { name = 'w' }]"])
@pytest.mark.long
def test_json_numbers_keep_their_spelling_in_a_column_of_texts(
    database: Database, load: Load, key: str, table: str
) -> None:
    database.execute("CREATE TABLE t (id int, v text, w varchar, j json, b jsonb, l text[], pad text)")
    pad = "x" * 300  # so that there are several spans
    rows = [
        f'{{"id": {n}, "v": {number}, "w": {{"a": [{number} , {number}]}}, "j": [{number}], "b": {{"n": {number}}},'
        f' "l": [{number}], "pad": "{pad}"}}'
        for n, number in enumerate(NUMBERS * 3)
    ]
    text = "\n".join(rows) if key == "t.jsonl" else f"[{','.join(rows)}]"
    assert load(database, key, text, table).rejects == []
    assert column(database, "v") == NUMBERS * 3
    assert column(database, "w") == [f'{{"a": [{number}, {number}]}}' for number in NUMBERS * 3]
    if "columns" not in table:
        assert column(database, "(j->>0)") == column(database, "(l[1])") == NUMBERS * 3
        assert database.execute("SELECT count(*) FROM t WHERE (b->>'n')::numeric = v::numeric") == [(len(rows),)]


def test_json_numbers_keep_their_spelling_also_behind_the_sample(database: Database, load: Load) -> None:
    text = "".join(f'{{"id":{n},"v":"x"}}\n' for n in range(MANY)) + '{"id":10100,"v":-0}\n{"id":10101,"v":1e5}\n'
    assert load(database, "t.jsonl", text).rejects == []
    assert late(database, "v") == ["-0", "1e5"]


def test_json_numbers_are_the_numbers_that_they_are_whatever_their_spelling(database: Database) -> None:
    database.execute("CREATE TABLE t (id int, i int, n numeric, f float8)")
    rows = [("-0", "-0", "-0"), ("5", "1e5", "1e5"), ("1.0", "1.50", "1e-7"), ("1e5", "1", "1"), ("1", "1e-7", "2.50")]
    text = "".join(f'{{"id":{n},"i":{i},"n":{number},"f":{f}}}\n' for n, (i, number, f) in enumerate(rows))
    assert in_one_pass(database, "t.jsonl", text, INTO).rejected == [4]
    assert column(database, "i") == ["0", "5", "1", "1"]
    assert column(database, "n") == ["0", "100000", "1.50", "0.0000001"]
    assert column(database, "f") == ["-0", "100000", "1e-07", "2.5"]


def test_json_lists_go_into_arrays(database: Database) -> None:
    database.execute("CREATE TABLE t (id int, v text[], n int[], j jsonb)")
    texts = ["a", 'b "c" \\ {d,e}', None, ""]
    rows = [
        {"id": 1, "v": texts, "n": [], "j": texts},
        {"id": 2, "v": [["x"], ["y"]], "n": [[1, 2], [3, 4]], "j": []},
        {"id": 3, "v": [], "n": ["x"], "j": None},
    ]
    done = in_one_pass(database, "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows), INTO)
    assert done.rejected == [3]
    assert database.execute("SELECT v, n, j FROM t ORDER BY id") == [
        (texts, [], texts),
        ([["x"], ["y"]], [[1, 2], [3, 4]], []),
    ]


def test_json_keeps_its_text_in_a_column_of_type_json(database: Database) -> None:
    database.execute("CREATE TABLE t (id int, v json)")
    in_one_pass(database, "t.csv", 'id,v\n1,"{""a"":  1.0}"\n2,"""\\u00e9"""\n3,null\n', INTO)
    assert column(database, "v") == ['{"a":  1.0}', '"\\u00e9"', None]


@pytest.mark.parametrize("late_value", ['"x"', "1.5", "true", "[1]", '"007"'])
def test_behind_the_sample_a_json_value_of_another_type_is_a_reject(database: Database, late_value: str) -> None:
    text = "".join(f'{{"id":{n},"v":{n}}}\n' for n in range(MANY)) + f'{{"id":{MANY},"v":{late_value}}}\n'
    assert in_one_pass(database, "t.jsonl", text).rejected == [MANY + 1]


# Many small files, and DynamoDB: tests/functional/test_small_batches.py, tests/contract/test_dynamodb_sink.py
