"""A value that COPY reads as text is equal to the value of the value form, for every type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import set_json_loads

from lengths import examples
from penstock.destinations.postgres.catalog import TYPES
from penstock.destinations.postgres.connect import Connection, by_dsn
from penstock.destinations.postgres.pipelined_transaction import PipelinedTransaction
from penstock.destinations.postgres.rows import Appender
from penstock.model.column import Column, ColumnType
from penstock.model.load import Rows
from penstock.model.record import RecordPosition
from penstock.model.table import Table
from penstock.tables import Form, RowConverter
from table_batches import rows

pytest_plugins = ["postgres_fixtures"]

T = ColumnType

# Texts that COPY's text format must not interpret.
SIGNS = st.text(st.sampled_from("\\NntrbfvxA.01 \t\n\r\"',é\u2028😀\x1a"), max_size=8)
INTEGERS = st.one_of(st.integers(-(2**65), 2**65).map(str), st.from_regex(r" ?[+-]?[0-9]{1,4}(\.0)? ?", fullmatch=True))
NUMBERS = st.one_of(
    INTEGERS,
    st.decimals(allow_nan=True).map(str),
    st.floats().map(repr),
    st.from_regex(r"[+-]?[0-9]{0,3}\.?[0-9]{0,3}([eE][+-]?[0-9]{1,6})?", fullmatch=True),
    st.sampled_from(["1e308", "1e309", "4.9e-324", "1e-324", "0e999999", "-0", "-0.0", "+.5", "5.", ".", "1e"]),
)
YEARS = r"(000[01]|0[0-9]{3}|1[0-9]{3}|20[0-9]{2}|9999)"
TIMES = st.one_of(
    st.dates().map(str),
    st.datetimes(timezones=st.none() | st.timezones()).map(str),
    st.datetimes(timezones=st.none() | st.timezones()).map(datetime.isoformat),
    st.from_regex(YEARS + r"-?[01][0-9]-?[0-3][0-9]", fullmatch=True),
    st.from_regex(
        YEARS + r"-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:?[0-5][0-9](:?[0-6][0-9](\.[0-9]{1,8})?)?"
        r" ?(Z|UTC|[+-][0-2][0-9](:?[0-6][0-9])?)?",
        fullmatch=True,
    ),
    st.sampled_from(["infinity", "epoch", "now", "today", "J2451187", "2024-01-01 10:00 PST", "2024-01-01 24:00:00"]),
)
DOCUMENTS = st.recursive(
    st.one_of(
        st.none().map(lambda _: "null"),
        st.booleans().map(lambda truth: str(truth).lower()),
        st.integers().map(str),
        st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,5})?", fullmatch=True),
        st.from_regex(r'"([a-z\t ]|\\[nrt"\\/u]|\\u[0-9a-d]{4}|é|\\ud83d\\ude00|\\ud83d)*"', fullmatch=True),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{' , '.join(parts)}]"),
        st.lists(inner, max_size=3).map(
            lambda parts: "{" + ",".join(f'"k{number}": {part}' for number, part in enumerate(parts)) + "}"
        ),
    ),
    max_leaves=5,
)

TEXTS = {
    T.TEXT: st.one_of(SIGNS, st.text(max_size=5)),
    T.INTEGER: INTEGERS,
    T.NUMERIC: NUMBERS,
    T.FLOAT: NUMBERS,
    T.BOOLEAN: st.sampled_from(["true", "F", "Yes", "oN", "off", "1", "0", " t", "tr", "N", "", "2"]),
    T.DATE: TIMES,
    T.TIMESTAMP: TIMES,
    T.JSON: DOCUMENTS,
}


@pytest.fixture(scope="module")
def connection(postgres_dsn: str) -> Iterator[Connection]:
    with by_dsn(postgres_dsn)() as connection:
        set_json_loads(partial(json.loads, parse_int=Decimal, parse_float=Decimal), connection)
        for kind, name in TYPES.items():
            create = sql.SQL("CREATE TEMPORARY TABLE {} (x {}, n serial)")
            connection.execute(create.format(sql.Identifier(f"of_{kind}"), name))
        yield connection


@pytest.mark.parametrize("kind", list(ColumnType))
@settings(max_examples=examples(80))
@given(data=st.data())
def test_the_loaded_value_is_equal(kind: ColumnType, connection: Connection, data: st.DataObject) -> None:
    cells = data.draw(st.lists(st.none() | TEXTS[kind], min_size=1, max_size=4))
    batch = rows(["x"], *([cell] for cell in cells))
    table = Table("t", (Column("x", kind, nulls=()),))
    texts, text_rejects = RowConverter(table, batch.names, Form.TEXT).convert(batch)
    values, value_rejects = RowConverter(table, batch.names, Form.VALUE).convert(batch)
    assert text_rejects == value_rejects
    assert copied(connection, kind, texts.columns[0]) == list(map(comparable, values.columns[0]))
    assert not (texts.full and None in texts.columns[0])
    assert texts.full == values.full


@pytest.mark.parametrize(
    "texts",
    [
        ["plain", "\\N", None, "\\.", "\\"],
        ["a\tb", "c\nd", "e\r\nf", "\\t", "", None],
        ["0f0r", "f", "r", None, "\t", "0n"],
        [str(number) for number in range(1000)],
    ],
)
def test_escapes_are_undone_by_the_server(connection: Connection, texts: list[object]) -> None:
    assert copied(connection, T.TEXT, texts) == texts


def test_columns_keep_their_positions_despite_special_characters(connection: Connection) -> None:
    columns: list[list[str | None]] = [["a\tb", None, "", "f"], [None, "\\", "r", None], ["1", "2", "3", "4"]]
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE TEMPORARY TABLE t (a text, b text, c text)")
        write(connection, Appender(connection, sql.Identifier("t"), "abc"), columns)
        found = connection.execute("SELECT a, b, c FROM t ORDER BY c").fetchall()
    assert found == list(zip(*columns, strict=True))


def copied(connection: Connection, kind: ColumnType, texts: Sequence[object]) -> list[object]:
    """The rows on the server after COPY, in order."""
    # In UTC, a timestamp may be in a year that Python does not support.
    value = sql.SQL("extract(epoch FROM x) * 1000000" if kind is T.TIMESTAMP else "x")
    with connection.transaction(force_rollback=True):
        write(connection, Appender(connection, sql.Identifier(f"of_{kind}"), ["x"]), [texts])
        select = sql.SQL("SELECT {} FROM {} ORDER BY n").format(value, sql.Identifier(f"of_{kind}"))
        found = connection.execute(select).fetchall()
    return [comparable(row[0]) for row in found]


def write(connection: Connection, writer: Appender, columns: Sequence[Sequence[object]]) -> None:
    script = PipelinedTransaction(connection, writer.statements(0))
    rows = Rows(Table("t"), (), columns, len(columns[0]), lambda row: RecordPosition(row, 0, ""))
    script.start([writer.text(rows, 0, rows.count)])
    script.finish()


def comparable(value: object) -> object:
    match value:
        case datetime():
            return Decimal((value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
        case float():
            return repr(value)
    return value
