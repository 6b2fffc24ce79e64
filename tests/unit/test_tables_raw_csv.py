"""Which batches of a CSV may be loaded unparsed: only such as parsing and checking would pass on unchanged."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csv_samples import sources, tables
from lengths import examples
from parser_checks import chunked, comparable
from penstock.errors import UnclosedQuoteError
from penstock.formats import parse
from penstock.model.column import Column, ColumnType
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch, RawCsv
from penstock.model.table import Choice, Table, TablePlan
from penstock.tables import ChunkBuilder, Form

T = ColumnType
CSV = ParseOptions(format=Format.CSV, header=False)
SIGNS = st.sampled_from([(",", '"'), (";", "'"), ("\t", '"'), ("|", '"')])


def names_of(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)


def passed(table: Table, text: bytes, names: tuple[str, ...] = (), delimiter: str = ",") -> RawCsv | None:
    validator = ChunkBuilder(TablePlan(CSV, table)).validator(names or names_of(table), delimiter, '"')
    assert validator
    return validator(text)


def of(*columns: Column) -> Table:
    return Table("t", (*columns, Column("last")))


@settings(max_examples=examples(400))
@given(data=st.data(), signs=SIGNS)
def test_what_passes_is_what_parsing_and_checking_make_of_it(data: st.DataObject, signs: tuple[str, str]) -> None:
    table = data.draw(tables())
    text = data.draw(sources(table, *signs))
    maker = ChunkBuilder(TablePlan(CSV, table))
    validator = maker.validator(names_of(table), *signs)
    assert validator
    raw_csv = validator(text)
    if not raw_csv:
        return
    options = replace(CSV, columns=names_of(table), delimiter=signs[0], quote=signs[1])
    (batch,) = parse([text], options, batch_bytes=len(text))
    chunk, rejects = maker.chunk(0, batch)
    assert rejects == ()
    assert raw_csv.count == batch.count
    fields = list(csv.reader(io.StringIO(raw_csv.text.decode(), newline=""), delimiter=signs[0], quotechar=signs[1]))
    assert raw_csv.count == len(fields)
    for column, cells, texts in zip(table.columns, chunk.rows[0].columns, zip(*fields, strict=True), strict=True):
        expected = [text or None for text in texts]
        meant = MEANT.get(column.type, str)
        assert [cell and meant(str(cell)) for cell in cells] == [cell and meant(cell) for cell in expected]


def moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# Checking may spell these anew.
MEANT = {T.FLOAT: lambda text: repr(float(text)), T.TIMESTAMP: moment}


@settings(max_examples=examples(200))
@given(data=st.data(), chunk=st.sampled_from([1, 7, 1000]), size=st.sampled_from([1, 20, 60, 1000]))
def test_screened_or_not_the_batches_are_the_same(data: st.DataObject, chunk: int, size: int) -> None:
    table = data.draw(tables())
    text = data.draw(sources(table))
    options = replace(CSV, columns=names_of(table))
    maker = ChunkBuilder(TablePlan(options, table))
    plain, broken = until_broken(parse(chunked(text, chunk), options, batch_bytes=size))
    validated, broken_too = until_broken(
        parse(chunked(text, chunk), options, batch_bytes=size, validator_factory=maker.validator)
    )
    assert broken == broken_too
    for one, other in zip(plain, validated, strict=True):
        assert comparable([one]) == comparable([other])
        assert [one.position(row) for row in range(len(one.rows))] == [
            other.position(row) for row in range(len(other.rows))
        ]


def until_broken(batches: Iterator[Batch]) -> tuple[list[Batch], str]:
    """All batches, and why there are no more."""
    found: list[Batch] = []
    try:
        found.extend(batches)
    except UnclosedQuoteError as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize("century", ["00", "01", "04", "19", "20", "99"])
def test_a_day_passes_exactly_if_there_is_one(century: str) -> None:
    table = of(Column("day", T.DATE), Column("at", T.TIMESTAMP))
    for year, month, day in product(("00", "01", "04", "16", "23", "96"), range(14), range(33)):
        text = f"{century}{year}-{month:02}-{day:02}"
        try:
            date.fromisoformat(text)
            exists = True
        except ValueError:
            exists = False
        assert bool(passed(table, f"{text},{text}T00:00Z,x\n".encode())) is exists


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (T.TEXT, "plain"),
        (T.TEXT, '"with, comma and ""quotes"""'),
        (T.TEXT, '"two\nlines"'),
        (T.TEXT, '"three\n\nlines\n"'),
        (T.TEXT, '""'),
        (T.TEXT, "\\N"),
        (T.INTEGER, "-0042"),
        (T.INTEGER, '"7"'),
        (T.INTEGER, '""'),
        (T.NUMERIC, "123456789012345678901234567890.10"),
        (T.FLOAT, "-1.5e-07"),
        (T.BOOLEAN, "Yes"),
        (T.DATE, "2024-02-29"),
        (T.TIMESTAMP, "2024-02-29 23:59:59.999999+15:59"),
        (T.TIMESTAMP, "2024-02-29"),
    ],
)
def test_plain_spellings_pass(kind: ColumnType, text: str) -> None:
    table = of(Column("x", kind))
    raw_csv = passed(table, f"{text},a\n,b\n".encode())
    assert raw_csv == RawCsv(f"{text},a\n,b\n".encode(), 2, ("x", "last"), ",", '"')


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (Column("x"), 'a"b'),
        (Column("x"), '"a"b'),
        (Column("x"), '"a'),
        (Column("x"), '"two\r\nlines"'),
        (Column("x"), '"\n\\."'),
        (Column("x"), "\\."),
        (Column("x"), "two\rlines"),
        (Column("x"), "a\0b"),
        (Column("x"), "too,many"),
        (Column("x", nullable=False), ""),
        (Column("x", nullable=False), '""'),
        (Column("x", nulls=()), ""),
        (Column("x", nulls=()), '""'),
        (Column("x", nulls=("", "NA")), "NA"),
        (Column("x", nulls=("", 'N"A')), '"N""A"'),
        (Column("x", T.INTEGER, nulls=("", "-1")), "-1"),
        (Column("x", T.INTEGER), "9" * 19),
        (Column("x", T.INTEGER), "12.0"),
        (Column("x", T.INTEGER), " 1"),
        (Column("x", T.INTEGER), '"1'),
        (Column("x", T.NUMERIC), "1e5"),
        (Column("x", T.NUMERIC), "NaN"),
        (Column("x", T.FLOAT), "1e400"),
        (Column("x", T.BOOLEAN), "truely"),
        (Column("x", T.DATE), "2024-02-30"),
        (Column("x", T.DATE), "2024-02-29T00:00"),
        (Column("x", T.TIMESTAMP), "2024-02-29T24:00"),
        (Column("x", T.TIMESTAMP), "2024-02-29T10:00+16:00"),
    ],
)
def test_one_field_out_of_order_holds_the_batch_back(column: Column, text: str) -> None:
    good = f'"{"1" if column.type in (T.INTEGER, T.NUMERIC, T.FLOAT, T.BOOLEAN) else "2024-01-01"}",a\n'
    assert passed(of(column), (good * 3).encode())
    assert passed(of(column), (good + f"{text},a\n" + good).encode()) is None


@pytest.mark.parametrize("text", ["1,a\n\n2,b\n", "\n1,a\n", "1,a\n\\.\n", "1\n", "1,a,b\n", "1,a\n2", "1,a\r2,b\n"])
def test_lines_that_are_no_records_hold_the_batch_back(text: str) -> None:
    assert passed(of(Column("x", T.INTEGER)), text.encode()) is None


@pytest.mark.parametrize("text", [b"1,a\r\n2,b\r\n", b"1,a\r\n2,b", b"1,a\n2,b"])
def test_lines_end_as_postgresql_wants_them(text: bytes) -> None:
    raw_csv = passed(of(Column("x", T.INTEGER)), text)
    assert raw_csv
    assert raw_csv.text == b"1,a\n2,b\n"


def test_columns_stand_in_the_order_of_the_file() -> None:
    table = Table("t", (Column("id", T.INTEGER, source="number"), Column("name"), Column("day", T.DATE)))
    raw_csv = passed(table, b"2024-01-01,7,x\n", ("day", "number", "name"))
    assert raw_csv
    assert raw_csv.names == ("day", "id", "name")


TWO = (Column("a"), Column("b"))


@pytest.mark.parametrize(
    ("columns", "names", "signs"),
    [
        (TWO, ("a", "b", "ignored"), ',"'),
        (TWO, ("a",), ',"'),
        (TWO, ("a", "b", "b"), ',"'),
        ((Column("a"), Column("b", source="a")), ("a", "b"), ',"'),
        (TWO[:1], ("a",), ',"'),
        (TWO, ("a", "b"), '-"'),
        (TWO, ("a", "b"), "e'"),
        (TWO, ("a", "b"), ","),
        (TWO, ("a", "b"), ",€"),
        ((Column("a"), Column("b", T.JSON)), ("a", "b"), ',"'),
        ((Column("a"), Column("b", T.DATE, formats=("%d.%m.%Y",))), ("a", "b"), ',"'),
    ],
)
def test_where_postgresql_might_read_otherwise_there_is_no_screen(
    columns: tuple[Column, ...], names: tuple[str, ...], signs: str
) -> None:
    maker = ChunkBuilder(TablePlan(CSV, Table("t", columns)))
    assert maker.validator(names, signs[0], signs[1:]) is None


def test_values_and_rows_for_several_tables_are_never_screened() -> None:
    plan = TablePlan(CSV, Table("t", TWO))
    choice = TablePlan(CSV, choice=Choice("a", {"x": Table("t", TWO)}))
    assert ChunkBuilder(plan, Form.VALUE).validator(("a", "b"), ",", '"') is None
    assert ChunkBuilder(choice).validator(("a", "b"), ",", '"') is None


def test_a_file_that_is_often_out_of_order_is_seldom_looked_at() -> None:
    validator = ChunkBuilder(TablePlan(CSV, Table("t", TWO))).validator(("a", "b"), ",", '"')
    assert validator
    assert validator(b"1,2\n")
    held_back = [validator(text) is None for text in [b"1\n", *[b"1,2\n"] * 3]]
    assert held_back == [True, True, False, False]
    assert [validator(b"1\n") for _ in range(1 + 1 + 1 + 3 + 1 + 7 + 1 + 15 + 1 + 15)] == [None] * 46
    assert validator(b"1,2\n")


def test_undecodable_bytes_hold_the_batch_back() -> None:
    options = replace(CSV, columns=("a", "b"))
    maker = ChunkBuilder(TablePlan(options, Table("t", TWO)))
    (batch,) = parse([b"a,b\n\xff,b\n"], options, batch_bytes=100, validator_factory=maker.validator)
    assert batch.raw_csv is None
    assert [reject.position.row for reject in batch.rejects] == [2]


def test_other_encodings_pass_as_utf_8() -> None:
    options = replace(CSV, columns=("a", "b"), encoding="cp1252")
    maker = ChunkBuilder(TablePlan(options, Table("t", TWO)))
    (batch,) = parse(["é,€\n".encode("cp1252")], options, batch_bytes=100, validator_factory=maker.validator)
    assert batch.raw_csv
    assert batch.raw_csv.text == "é,€\n".encode()


def test_entered_in_the_middle_a_file_is_screened_too() -> None:
    options = replace(CSV, columns=("a", "b"))
    maker = ChunkBuilder(TablePlan(options, Table("t", TWO)))
    resume = Resume(chunk=1, offset=4, row=2)
    (batch,) = parse([b"a,b\nc,d\n"], options, batch_bytes=100, resume=resume, validator_factory=maker.validator)
    assert batch.raw_csv
    assert batch.raw_csv.text == b"c,d\n"
    chunk, _ = maker.chunk(1, batch)
    assert [list(column) for column in chunk.rows[0].columns] == [["c"], ["d"]]
    assert chunk.rows[0].position(0).row == 2
