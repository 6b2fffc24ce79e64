"""Predictions about texts for PostgreSQL, compared with PostgreSQL itself."""

from __future__ import annotations

from itertools import product

import psycopg
import pytest

from penstock.destinations.postgres.types import storages
from penstock.tables import literals
from penstock.tables.array_texts import read_array
from penstock.tables.database_texts import text_kind
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

FIELDS = [
    *("year", "month", "day", "hour", "minute", "second", "second(0)", "second(2)", "year to month"),
    *("day to hour", "day to minute", "day to second(1)", "hour to minute", "minute to second", ""),
]
MONTHS = ["", "1 year", "1-2", "14 mons", "1.5 months", "-2 years", "1.3 years", "P1Y2M"]
DAYS = ["", "3 days", "-1.5 days", "1 week", "2 w"]
CLOCKS = [
    "",
    "02:00",
    "02:03:04.5",
    "-00:30",
    "1:02.5",
    "90 min",
    "1500 ms",
    "2.5 us",
    "1 h 30 s",
    "0.001 s",
    "12:00 ago",
]
INTERVALS = [
    *(" ".join(filter(None, parts)) for parts in product(MONTHS, DAYS, CLOCKS)),
    *("P1DT2H3M4.5S", "PT90M", "P2W", "P1Y2M3D", "@ 1 day ago", "1 2:03", "1-2 3 4:05", "2 decades", "1 c", "soon"),
]


@pytest.mark.parametrize("fields", FIELDS)
def test_an_accepted_interval_is_stored_completely(database: Database, fields: str) -> None:
    kept = f"interval {fields}" if fields != "" else "interval(2)"
    database.execute(f"CREATE TABLE t (v {kept})")
    taken = 0
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        ((oid,),) = database.execute("SELECT 't'::regclass::oid")
        kind = text_kind(storages(connection, int(str(oid)))["v"])
        for text in filter(None, INTERVALS):
            try:
                kind.value(text)
            except ValueError:
                continue
            query = f"SELECT %s::interval::text = (%s::{kept})::text"
            try:
                assert connection.execute(query, [text, text]).fetchone() == (True,), text
                taken += 1
            except psycopg.errors.InvalidDatetimeFormat:
                pass
    assert taken > 3


@pytest.mark.parametrize(
    "text",
    [
        "{}", "{a}", " { a , b } ", '{"a b", c d}', '{"a\\"b","c\\\\"}', "{NULL,null,\"NULL\"}", "{{a,b},{c,d}}",
        "[2:3]={a,b}", "[0:0][1:2]={{a,b}}", '{"",x}', '{"{a}"}',
    ],
)  # fmt: skip
def test_elements_of_a_list_are_those_that_postgresql_finds(database: Database, text: str) -> None:
    found = database.execute("SELECT e FROM unnest(%s::text[]) e WHERE e IS NOT NULL", [text])
    assert list(literals.elements(text)) == [element for (element,) in found]


@pytest.mark.parametrize(
    "text",
    [
        "(a,b)", "(,)", '("",)', '("a ""b""",c\\,d)', '(a"b c"d,"x\\"y")', " ( a , b) ", '("(1,2)","[1,2)")', "(a(,]b)",
        '("a""b",\\"c)',
    ],
)  # fmt: skip
def test_fields_of_a_row_are_those_that_postgresql_finds(database: Database, text: str) -> None:
    database.execute("CREATE TYPE pair AS (a text, b text)")
    assert literals.fields(text) == list(database.execute("SELECT (%s::pair).*", [text])[0])


@pytest.mark.parametrize(
    "text", ["[a,b)", '("a,b",]', "(,)", " empty ", "EMPTY", "[a b,c\\]d)", '["x""y",z"]"]', "[(a,b)"]
)
def test_bounds_of_a_range_are_those_that_postgresql_finds(database: Database, text: str) -> None:
    database.execute("CREATE TYPE texts AS RANGE (subtype = text, multirange_type_name = many)")
    (found,) = database.execute("SELECT lower(r), upper(r) FROM (SELECT %s::texts AS r) AS it", [text])
    expected = [bound for bound in found if bound is not None]
    assert list(literals.bounds(text)) == expected
    many = f" {{ {text} , {text}}} "
    assert database.execute("SELECT %s::many IS NOT NULL", [many]) == [(True,)]
    assert list(literals.bounds_of_many(many)) == expected * 2


@pytest.mark.parametrize("text", ["", "a", "{a", "{a}}", '{"a}', "{a},", "{a\\b}", "[1:2]", "{a}x"])
def test_an_invalid_array_is_detected(text: str) -> None:
    with pytest.raises(literals.NotWellFormedError):
        list(literals.elements(text))


@pytest.mark.parametrize("text", ["", "a", "(a", "(a))", '("a)', "[a,b", "(a)", "[a,b,c)", "{[a,b)", "{[a,b)[c,d)}"])
def test_an_invalid_range_is_detected(text: str) -> None:
    for read in (literals.bounds, literals.bounds_of_many):
        with pytest.raises(literals.NotWellFormedError):
            list(read(text))


TOKENS = ["{", "}", ",", "a", " ", '"b"', "\\,", "NULL"]


def test_arrays_are_read_as_the_database_reads_them(database: Database) -> None:
    database.execute(
        "CREATE FUNCTION taken(v text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS "
        "'BEGIN RETURN v::text[]; EXCEPTION WHEN data_exception OR program_limit_exceeded THEN RETURN NULL; END'"
    )
    inside = ["".join(tokens) for length in range(6) for tokens in product(TOKENS, repeat=length)]
    texts = [f"{{{text}}}" for text in inside[: 8**4 + 8**3]] + [f"{{{{{text}}},{{c}}}}" for text in inside[:600]]
    texts += ["", " ", "a", "{}x", "{", "[1]={a}", "[0:1]={a,b}", "[1:2]={a}", "[2][1]={{a},{b}}", "[2]={{a},{b}}"]
    texts += ["{{{{{{a}}}}}}", "{{{{{{{a}}}}}}}"]
    with psycopg.connect(database.dsn) as connection:
        if connection.info.server_version < 170_000:
            pytest.skip("refuses lists of empty lists, and takes some of different depth")
        query = "SELECT t, taken(t) IS NOT NULL, array(SELECT unnest(taken(t))) FROM unnest(%s::text[]) AS t"
        for text, is_taken, elements in connection.execute(query, [texts]).fetchall():
            try:
                found = read_array(text)
            except literals.NotWellFormedError:
                assert not is_taken, text
            else:
                assert (is_taken, elements) == (True, found), text
