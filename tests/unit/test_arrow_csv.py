"""A CSV that arro3's own reader reads gives the same Arrow arrays as parsing, checking and converting every value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csv_samples import sources
from lengths import examples
from penstock.destinations.parquet.record_batches import RecordBatches
from penstock.destinations.parquet.schema import LakeColumn, LakeSchema, lake_type, schema_of
from penstock.errors import BadSourceError
from penstock.formats import parse
from penstock.formats.format import no_validator
from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Reject
from penstock.model.table import Form, Table, TablePlan
from penstock.model.value_rules import ValueRules
from penstock.tables import ChunkBuilder, fit_to_storage

T = ColumnType

PLAIN: dict[ColumnType, list[str]] = {
    T.TEXT: ["a", "name 12", "ä", "1e5", "pre-order", "\U0001f600"],
    T.INTEGER: ["1", "-25", "9223372036854775807", "100000"],
    T.NUMERIC: ["1.25", "-100", "0.5", "999.99"],
    T.FLOAT: ["1.5", "-2e10", "0.0", "1"],
    T.BOOLEAN: ["true", "false"],
    T.DATE: ["2024-01-31", "1969-12-31"],
    T.TIMESTAMP: ["2024-01-31 10:20:30", "1969-12-31 23:59:59"],
}
NUMBERS = [
    "+5", "-0", "007", "-007", "1.", ".5", "-.5", "+.5", ".", "-", "-.", "1e3", "1E2", "1e-12", "1.5e-1", "1e",
    "12e0", "1.239", "1.2300", "1.000000000000004", "0.10000000000000000001", "1" * 18, "9" * 19,
    "9223372036854775808", "0" * 120, "0" * 101 + "7", "0." + "0" * 30 + "1", "99999999999.99", "1_000", "\u0661",
    "1.2.3", "--1", "+-1", "0x10", " 1", "1 ", "1e400", "-1e400", "1e-400", "0e-400", "0." + "0" * 330 + "1",
    "9" * 320, "NaN", "nan", "-nan", "inf", "-Infinity", "INF", "1.0", "-0.0", "-0.00", "00.5", "1.5E+2",
    "1.7976931348623159e308", "4.9e-324", "2e-324", "1000", "999.995", "2147483648",
]  # fmt: skip
DATES = [
    "2024-1-2", "2024-1-02", "2024-01-2", "20240102", "2024-01-02T00:00", "2024-01-02 00:00:00",
    "2024-01-02T00:00:00Z", "2024-01-02T10:00", "+2024-01-02", "-2024-01-02", "-0012-1-01", "+1234-5-6",
    "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "12024-01-01", "2024-02-30", "2023-02-29", "2024-02-29",
    "2024-13-01", "2024-00-10", "2024-01-00", "2024/01/02", "02.01.2024", "2024-01-02T00:00:00+00:00",
    "2024-01-02T02:00+02:00", "\u0662024-01-02", "2024-01-0", "today",
]  # fmt: skip
TIMES = [
    *DATES, "2024-01-02T10:20", "2024-01-02t10:20:30", "2024-01-02 10:20:30.1", "2024-01-02 10:20:30.123456",
    "2024-01-02 10:20:30.1234567", "2024-01-02 10:20:30.1230000000", "2024-01-02 10:20:30.", "2024-01-02 10:20:30,5",
    "2024-01-02 10:20:60", "2024-01-02 10:60:30", "2024-01-02 24:00:00", "2024-01-02 10:20:30z",
    "2024-01-02T10:20:30Z", "2024-01-02 10:20:30 Z", "2024-01-02 10:20:30+02", "2024-01-02 10:20:30+0200",
    "2024-01-02 10:20:30+02:00", "2024-01-02 10:20:30-15:59", "2024-01-02 10:20:30+16:00", "2024-01-02 10:20:30 UTC",
    "2024-01-02 10:20:30 GB", "2024-01-02 101112GB", "2024-01-02 1020", "2024-01-02 102030",
    "2024-01-02T10:20:30 Europe/Berlin", "2024-01-02  10:20:30", "0001-01-01T00:00+02:00",
    "9999-12-31T23:59:59.999999Z", "0000-12-31T23:59:59Z",
]  # fmt: skip
HOSTILE: dict[ColumnType, list[str]] = {
    T.TEXT: ["", " ", "NULL", "a b ", "\\N", "\\.", "\x0b", "\u2028", "e5", "1e5", "5E-3", "-"],
    T.INTEGER: NUMBERS,
    T.NUMERIC: NUMBERS,
    T.FLOAT: NUMBERS,
    T.BOOLEAN: ["TRUE", "True", "tRuE", "FALSE", "t", "f", "tr", "yes", "on", "1", "0", "NULL", " true", "truefalse"],
    T.DATE: DATES,
    T.TIMESTAMP: TIMES,
}
SPELLINGS: dict[ColumnType, list[tuple[str, ...]]] = {
    T.TEXT: [(), ("text",)],
    T.INTEGER: [(), ("integer",)],
    T.NUMERIC: [(), ("numeric",)],
    T.FLOAT: [()],
    T.BOOLEAN: [(), ("true",), ("True", "TRUE")],
    T.DATE: [(), ("YYYY-MM-DD",)],
    T.TIMESTAMP: [(), ("YYYY-MM-DD hh:mm:ss",), ("YYYY-MM-DDThh:mm:ssZ", "YYYY-MM-DD hh:mm")],
}


def column(kind: ColumnType, spellings: tuple[str, ...] = (), name: str = "x") -> Column:
    digits = (5, 2) if kind is T.NUMERIC else (0, 0)
    return Column(name, kind, spellings=spellings, digits=digits[0], places=digits[1])


def fitted(columns: Sequence[Column], schema: LakeSchema) -> Table:
    plan = TablePlan(ParseOptions(), Table("t", tuple(columns)))
    table = fit_to_storage(plan, {"t": schema.storages(columns)}).table
    assert table
    return table


def read(
    table: Table, schema: LakeSchema, text: bytes, *, fast: bool, delimiter: str = ",", quote: str = '"'
) -> tuple[list[list[object]], list[Reject], bool]:
    """The columns as Arrow has them, the rejects, and whether arro3 read the batch."""
    names = tuple(column.name for column in table.columns)
    options = ParseOptions(format=Format.CSV, header=False, columns=names, delimiter=delimiter, quote=quote)
    plan = TablePlan(options, table)
    builder = ChunkBuilder(plan, Form.ARROW)
    batches = list(
        parse([text], options, batch_bytes=1 << 20, validator_factory=builder.validator if fast else no_validator)
    )
    made = RecordBatches(schema)
    found: list[list[object]] = [[] for _ in schema.columns]
    rejects: list[Reject] = []
    for number, batch in enumerate(batches):
        chunk, refused = builder.chunk(number, batch)
        rejects += refused
        for rows in chunk.rows:
            arrays = made.of(rows)
            for place in range(len(found)):
                found[place] += map(repr, arrays.column(place).to_pylist())
    return found, rejects, any(batch.raw_csv for batch in batches)


def assert_alike(columns: Sequence[Column], text: bytes, schema: LakeSchema | None = None, **signs: str) -> bool:
    """Whether arro3 read the batch, whose rows are the same either way."""
    schema = schema or schema_of(columns)
    table = fitted(columns, schema)
    try:
        slow = read(table, schema, text, fast=False, **signs)
    except BadSourceError as error:
        with pytest.raises(type(error), match=re.escape(str(error))):
            read(table, schema, text, fast=True, **signs)
        return False
    fast = read(table, schema, text, fast=True, **signs)
    assert fast[:2] == slow[:2], text
    return fast[2]


def lines(values: Sequence[str]) -> bytes:
    return "".join(f"{value},z\n" for value in values).encode()


@pytest.mark.parametrize(("kind", "spellings"), [(kind, each) for kind, known in SPELLINGS.items() for each in known])
def test_every_odd_text_is_read_as_the_row_converter_reads_it(kind: ColumnType, spellings: tuple[str, ...]) -> None:
    columns = [column(kind, spellings), Column("z")]
    plain = PLAIN[kind][0]
    for odd in HOSTILE[kind]:
        for values in ([odd], [odd, "", plain], [plain] * 3 + [odd, plain, odd]):
            assert_alike(columns, lines(values))


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_texts_are_read_by_arro3(kind: ColumnType) -> None:
    columns = [column(kind), Column("z")]
    assert assert_alike(columns, lines(PLAIN[kind]))
    assert assert_alike(columns, lines(["", *PLAIN[kind], ""]))
    assert assert_alike(columns, lines(["", ""]))
    assert assert_alike(columns, lines(PLAIN[kind]).replace(b"\n", b"\r\n"))
    assert assert_alike(columns, lines([f'"{text}"' for text in PLAIN[kind]]))


@pytest.mark.parametrize(
    ("kind", "spelling", "texts"),
    [
        (T.INTEGER, "integer", ["0", "-7", "", "12"]),
        (T.NUMERIC, "numeric", ["0", "-7.5", "", "0.25"]),
        (T.BOOLEAN, "True", ["True", "", "False"]),
        (T.DATE, "YYYY-MM-DD", ["2024-01-31", ""]),
        (T.TIMESTAMP, "YYYY-MM-DD hh:mm:ss", ["2024-01-31 10:20:30", ""]),
        (T.TIMESTAMP, "YYYY-MM-DDThh:mm:ssZ", ["2024-01-31T10:20:30.123Z"]),
    ],
)
def test_columns_of_a_sample_are_read_by_arro3(kind: ColumnType, spelling: str, texts: list[str]) -> None:
    assert assert_alike([column(kind, (spelling,)), Column("z")], lines(texts))


@pytest.mark.parametrize("kind", ["int", "double", "timestamp", "decimal(20, 4)", "string", "float", "uuid"])
def test_the_types_of_an_existing_table(kind: str) -> None:
    schema = LakeSchema((LakeColumn("x", 1, lake_type(kind)), LakeColumn("z", 2, lake_type("string"))))
    for text in [*NUMBERS, *TIMES]:
        assert_alike([Column("x"), Column("z")], lines(["1", text]), schema)
        assert_alike([Column("x"), Column("z")], lines([text]), schema)


@pytest.mark.parametrize(
    "text",
    [
        b'"a\nb",1\n', b'"a""b",1\n', b'a"b,1\n', b'"a"b,1\n', b'"a,1\n', b'"",1\n', b"a\rb,1\n", b"a\r\n",
        b"a,1\n\nb,2\n", b"a,1,2\n", b"a\n", b",\n", b"a,1", b"\xff,1\n", b"a\0,1\n", b"\n", b'"NULL",1\n',
        b"NULL,1\n", b"xNULL,1\n", b"a,7\n", b'"\n",1\n', b'"a"\r\n', b' "a",1\n', b'"a",1\n"b\r\n",2\n', b"'a',1\n",
        b"a;1\n", b"\xef\xbb\xbf\xef\xbb\xbfa,1\n", b"\n\na,1\n\n", b"\r\na,1\r\n\r\n",
    ],
)  # fmt: skip
def test_odd_lines(text: bytes) -> None:
    for nulls, nullable in product([("",), ("", "NULL"), (), ("7", "")], [True, False]):
        columns = [Column("x", nullable=nullable, nulls=nulls), Column("y", T.INTEGER, nulls=nulls)]
        assert_alike(columns, b"a,1\n" + text)
    columns = [Column("x"), Column("y", T.INTEGER)]
    assert_alike(columns, text)
    assert_alike(columns, text, quote="'")
    assert_alike(columns, text, delimiter=";")


def test_batches_of_shorter_and_longer_rows_are_read_by_arro3() -> None:
    columns = [column(T.INTEGER), Column("z")]
    validator = ChunkBuilder(TablePlan(ParseOptions(), fitted(columns, schema_of(columns))), Form.ARROW).validator
    read_rows = validator(("x", "z"), ",", '"')
    assert read_rows
    for count, text in ((1, "a" * 1000), (500, ""), (1, "b" * 1000), (50, "c"), (2000, "")):
        rows = read_rows(f"7,{text}\n".encode() * count)
        assert rows
        assert rows.arrays
        assert rows.count == count
        assert [len(array) for array in rows.arrays] == [count, count]  # type: ignore[arg-type]  # arrays of Arrow


def test_blank_lines_are_no_rows() -> None:
    assert assert_alike([column(T.INTEGER), Column("z")], b"\n1,a\n\n\n2,b\n\n")


def test_letters_of_other_fields_are_no_exponents() -> None:
    columns = [column(T.NUMERIC), Column("z"), Column("b", T.BOOLEAN), column(T.INTEGER, name="i")]
    assert assert_alike(columns, b"1.5,3e7f,true,5\n0,E5 8E+9e-1,False,6\n")
    assert not assert_alike(columns, b"0e0,3e7f,true,5\n2,E5,false,6\n")


@settings(max_examples=examples(200), deadline=None)
@given(st.from_regex(r"[+-]?[019]{0,3}0{0,8}\.?0{0,8}[01]{0,3}([eE][+-]?[0-9]{0,2})?", fullmatch=True))
def test_numbers_with_exponents_are_read_alike(text: str) -> None:
    assert_alike([column(T.NUMERIC), Column("z")], lines([text]))
    assert_alike([Column("x", T.NUMERIC), Column("z")], lines([text, "1.5"]))


@pytest.mark.parametrize(
    "other",
    [
        Column("y", T.JSON), Column("y", elements=T.INTEGER), Column("y", T.DATE, formats=("%d.%m.%Y",)),
        Column("y", T.NUMERIC, rules=ValueRules(decimal=",")), Column("y", hash="sha256"), Column("y", metadata="key"),
    ],
)  # fmt: skip
def test_tables_that_arro3_does_not_read(other: Column) -> None:
    columns = [Column("x"), other]
    table = fitted(columns, schema_of(columns))
    plan = TablePlan(ParseOptions(format=Format.CSV), table)
    assert ChunkBuilder(plan, Form.ARROW).validator(("x", "y"), ",", '"') is None


@st.composite
def tables(draw: st.DrawFn) -> list[Column]:
    kinds = draw(st.lists(st.sampled_from(list(PLAIN)), min_size=2, max_size=4))
    return [
        replace(
            column(kind, draw(st.sampled_from(SPELLINGS[kind])), f"c{number}"),
            nullable=draw(st.sampled_from([True, True, False])),
            nulls=draw(st.sampled_from([("",), ("",), ("", "NULL"), ()])),
        )
        for number, kind in enumerate(kinds)
    ]


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_the_rows_are_the_same(data: st.DataObject) -> None:
    columns = data.draw(tables())
    oddity = data.draw(st.sampled_from([0, 0, 1]))

    def field(column: Column) -> str:
        kind = column.type
        text = data.draw(
            st.sampled_from(HOSTILE[kind] if oddity and data.draw(st.integers(0, 5)) == 0 else PLAIN[kind])
        )
        text = "" if "" in column.nulls and data.draw(st.integers(0, 5)) == 0 else text
        return f'"{text}"' if data.draw(st.integers(0, 9)) == 0 else text

    rows = [",".join(map(field, columns)) for _ in range(data.draw(st.integers(1, 6)))]
    assert_alike(columns, ("\n".join(rows) + data.draw(st.sampled_from(["", "\n"]))).encode())


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_the_rows_of_any_file_are_the_same(data: st.DataObject) -> None:
    columns = data.draw(tables())
    signs = data.draw(st.sampled_from([(",", '"'), (";", "'"), ("\t", '"')]))
    text = data.draw(sources(Table("t", tuple(columns)), *signs))
    assert_alike(columns, text, delimiter=signs[0], quote=signs[1])
