"""What each type takes, in which form it is handed on, and why a record is rejected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import InvalidTableError
from penstock.model.column import Column, ColumnType
from penstock.model.table import Table
from penstock.tables import Form, RowConverter, infer
from penstock.tables.column_kinds import Cells
from penstock.tables.kind_choice import PLAIN
from table_batches import records, rows

T = ColumnType
NO_DATE = "is not a date of ISO 8601, such as 2024-12-31: declare the column's format"
NO_TIMESTAMP = "is not a timestamp of ISO 8601, such as 2024-12-31T23:30:00Z: declare the column's format"
TOO_FINE = "has digits beyond microseconds, which would be lost"
EAST = timezone(timedelta(hours=2))


def read(column: Column, *cells: str | None, form: Form = Form.VALUE) -> tuple[Sequence[object], list[tuple[int, str]]]:
    """The values of a CSV column, and (row, reason) of its rejects."""
    shaped, rejects = RowConverter(Table("t", (column,)), [column.name], form).convert(rows([column.name], *zip(cells)))
    return shaped.columns[0], [(reject.position.row, reject.reason) for reject in rejects]


def read_json(column: Column, *values: object, form: Form = Form.VALUE) -> tuple[Sequence[object], list[str]]:
    """The values of one field of JSON records, and the reasons of its rejects."""
    batch = records(*({"x": value} for value in values))
    shaped, rejects = RowConverter(Table("t", (column,)), (), form).convert(batch)
    return shaped.columns[0], [reject.reason for reject in rejects]


@pytest.mark.parametrize(
    ("kind", "text", "value", "sent"),
    [
        (T.TEXT, " 1,5\t\\N\n", " 1,5\t\\N\n", " 1,5\t\\N\n"),
        (T.INTEGER, "-0042", -42, "-0042"),
        (T.INTEGER, " +7 ", 7, "7"),
        (T.INTEGER, "12.0", 12, "12"),
        (T.INTEGER, "-9223372036854775808", -(2**63), "-9223372036854775808"),
        (T.NUMERIC, "1.50", Decimal("1.50"), "1.50"),
        (T.NUMERIC, ".5", Decimal("0.5"), ".5"),
        (T.NUMERIC, "1e400", Decimal("1e400"), "1E+400"),
        (T.NUMERIC, "123456789012345678901234567890.1", Decimal("123456789012345678901234567890.1"), None),
        (T.FLOAT, "1e-3", 0.001, "1e-3"),
        (T.FLOAT, "NaN", "nan", "nan"),
        (T.FLOAT, "-Infinity", float("-inf"), "-inf"),
        (T.FLOAT, "0e-999", 0.0, "0.0"),
        (T.BOOLEAN, "yes", True, "yes"),
        (T.BOOLEAN, "0", False, "0"),
        (T.BOOLEAN, " tRUE", True, "true"),
        (T.DATE, "2024-02-29", date(2024, 2, 29), "2024-02-29"),
        (T.DATE, "20240229", date(2024, 2, 29), "2024-02-29"),
        (T.DATE, "2024-02-29T00:00:00", date(2024, 2, 29), "2024-02-29"),
        (T.TIMESTAMP, "2024-02-29T12:30", datetime(2024, 2, 29, 12, 30, tzinfo=UTC), None),
        (T.TIMESTAMP, "2024-02-29", datetime(2024, 2, 29, tzinfo=UTC), None),
        (T.TIMESTAMP, "2024-02-29 12:30:01.5+02:00", datetime(2024, 2, 29, 12, 30, 1, 500_000, EAST), None),
        (T.TIMESTAMP, "2024-02-29 12:30:01 UTC", datetime(2024, 2, 29, 12, 30, 1, 0, UTC), "2024-02-29 12:30:01+00:00"),
        (T.TIMESTAMP, "20240229T123001Z", datetime(2024, 2, 29, 12, 30, 1, 0, UTC), "2024-02-29 12:30:01+00:00"),
        (T.JSON, '{"a": [1, 2.50]}', {"a": [1, Decimal("2.50")]}, '{"a": [1, 2.50]}'),
        (T.JSON, ' "\\u00e9"', "é", None),
    ],
)
def test_a_text_becomes_its_value_or_what_postgresql_reads_as_it(
    kind: ColumnType, text: str, value: object, sent: str | None
) -> None:
    column = Column("x", kind)
    values, rejects = read(column, text)
    assert rejects == []
    assert str(values[0]) == value if value == "nan" else values[0] == value
    assert type(values[0]) is type(value) or value == "nan"
    texts, _ = read(column, text, form=Form.TEXT)
    assert list(texts) == [text if sent is None else sent]


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (T.TEXT, "a\0b", "holds a NUL character"),
        (T.TEXT, "a\ud800", "holds half a surrogate pair: '\\ud800'"),
        (T.INTEGER, "", "'' is not an integer"),
        (T.INTEGER, "1_000", "'1_000' is not an integer"),
        (T.INTEGER, "٣", "'٣' is not an integer"),
        (T.INTEGER, "1.5", "'1.5' is not an integer"),
        (T.INTEGER, "0x10", "'0x10' is not an integer"),
        (T.INTEGER, "9223372036854775808", "'9223372036854775808' does not fit 64 bits"),
        (T.INTEGER, "9" * 5000, f"'{'9' * 60}'... does not fit 64 bits"),
        (T.NUMERIC, "NaN", "'NaN' is not a number"),
        (T.NUMERIC, "sNaN", "'sNaN' is not a number"),
        (T.NUMERIC, "1,5", "'1,5' is not a number"),
        (T.NUMERIC, "1e131072", "'1E+131072' does not fit a numeric"),
        (T.NUMERIC, "1e-16384", "'1E-16384' does not fit a numeric"),
        (T.NUMERIC, "1e99999999999999999999", "'1e99999999999999999999' does not fit a numeric"),
        (T.FLOAT, "1e400", "'1e400' does not fit double precision"),
        (T.FLOAT, "1e-400", "'1e-400' does not fit double precision"),
        (T.FLOAT, "1_0.0", "'1_0.0' is not a number"),
        (T.BOOLEAN, "maybe", "'maybe' is not a boolean"),
        (T.DATE, "2024-02-30", "'2024-02-30' is not a date"),
        (T.DATE, "0000-01-01", "'0000-01-01' is not a date"),
        (T.DATE, "2024-W01-1", f"'2024-W01-1' {NO_DATE}"),
        (T.DATE, "2024-01-01T10:00:00", f"'2024-01-01T10:00:00' {NO_DATE}"),
        (T.TIMESTAMP, "2024-01-01T25:00:00", "'2024-01-01T25:00:00' is not a timestamp"),
        (T.TIMESTAMP, "2024-01-01-10:00", f"'2024-01-01-10:00' {NO_TIMESTAMP}"),
        (T.TIMESTAMP, "2024-01-01T10", f"'2024-01-01T10' {NO_TIMESTAMP}"),
        (T.DATE, "03.04.05", f"'03.04.05' {NO_DATE}"),
        (T.TIMESTAMP, "2024-01-01T10:00:00.1234567", f"'2024-01-01T10:00:00.1234567' {TOO_FINE}"),
        (T.TIMESTAMP, "now", "'now' is not a timestamp"),
        (T.TIMESTAMP, "2024-01-01T10:00:00+16:00", "'2024-01-01T10:00:00+16:00' has an offset of 16 hours or more"),
        (T.JSON, "NaN", "'NaN' is not JSON: NaN is no JSON value"),
        (T.JSON, '"\\u0000"', "holds a NUL character"),
        (T.JSON, '{"\\ud800": 1}', "holds half a surrogate pair: '\\ud800'"),
        (T.JSON, "[" * 100_000, f"'{'[' * 60}'... is nested too deeply"),
    ],
)
@pytest.mark.parametrize("form", list(Form))
def test_a_bad_value_is_a_reject_that_quotes_it(form: Form, kind: ColumnType, text: str, reason: str) -> None:
    assert read(Column("x", kind, nulls=()), text, form=form) == ([], [(1, reason)])


def test_a_reject_names_place_and_column() -> None:
    table = Table("t", (Column("id", T.INTEGER), Column("day", T.DATE)))
    batch = rows(["day", "id"], ("2024-01-01", "1"), ("2024-02-30", "2"), ("2024-01-03", "3"))
    shaped, (reject,) = RowConverter(table, batch.names).convert(batch)
    assert (reject.column, reject.position.row, reject.position.offset, reject.position.raw) == (
        "day",
        2,
        100,
        "2024-02-30,2",
    )
    assert shaped.columns == [["1", "3"], ["2024-01-01", "2024-01-03"]]
    assert [shaped.position(row).row for row in range(shaped.count)] == [1, 3]


def test_a_record_with_several_faults_is_one_reject_for_the_first_column() -> None:
    table = Table("t", (Column("a", T.INTEGER), Column("b", T.DATE)))
    _, rejects = RowConverter(table, ("a", "b")).convert(rows(["a", "b"], ("x", "y")))
    assert [(reject.column, reject.reason) for reject in rejects] == [("a", "'x' is not an integer")]


def test_unchanged_texts_are_passed_by_reference() -> None:
    text = "2024-01-01T10:00:00Z"
    shaped, _ = read(Column("x", T.TIMESTAMP), text, form=Form.TEXT)
    assert shaped[0] is text


def test_null_tokens_are_null() -> None:
    column = Column("x", T.INTEGER, nulls=("", "N/A"))
    assert read(column, "1", "", "N/A", None, "2") == ([1, None, None, None, 2], [])
    assert read(column, "1", "", "N/A", None, "2", form=Form.TEXT) == (["1", None, None, None, "2"], [])


def test_without_null_tokens_the_empty_text_is_one() -> None:
    assert read(Column("x", T.TEXT, nulls=()), "", "a", form=Form.TEXT)[0] == ("", "a")


def test_null_where_none_may_be_is_a_reject() -> None:
    column = Column("x", T.TEXT, nullable=False)
    assert read(column, "a", "", "b") == (["a", "b"], [(2, "is null, but may not be")])


def test_the_key_is_never_null() -> None:
    shaped, rejects = RowConverter(Table("t", (Column("x"),), key=("x",)), ("x",)).convert(rows(["x"], ("",), ("a",)))
    assert (shaped.columns, rejects[0].reason) == ([["a"]], "is null, but may not be")


def test_the_json_text_null_is_null() -> None:
    assert read(Column("x", T.JSON), "null", " null", "1", form=Form.TEXT)[0] == [None, None, "1"]
    assert read(Column("x", T.JSON, nullable=False), "null")[1] == [(1, "is null, but may not be")]


def test_dates_come_in_the_formats_of_the_route_only() -> None:
    column = Column("x", T.DATE, formats=("%d.%m.%Y", "%m/%d/%y"))
    values, rejects = read(column, "29.02.2024", "02/29/24", "2024-02-29")
    assert values == [date(2024, 2, 29)] * 2
    assert rejects == [(3, "'2024-02-29' is not in the format '%d.%m.%Y' or '%m/%d/%y'")]
    assert read(column, "29.02.2024", form=Form.TEXT)[0] == ["2024-02-29"]


def test_timestamps_come_in_the_formats_of_the_route_with_or_without_zone() -> None:
    column = Column("x", T.TIMESTAMP, formats=("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M %z"))
    values, _ = read(column, "29.02.2024 10:00", "29.02.2024 10:00 +0200")
    assert values == [datetime(2024, 2, 29, 10, tzinfo=UTC), datetime(2024, 2, 29, 10, tzinfo=EAST)]


def test_columns_are_found_by_their_source_whatever_the_order() -> None:
    table = Table("t", (Column("title", source="Name of song"), Column("id", T.INTEGER)))
    shaped, _ = RowConverter(table, ("id", "other", "Name of song")).convert(
        rows(["id", "other", "Name of song"], ("1", "-", "Yesterday"))
    )
    assert (shaped.names, shaped.columns) == (("title", "id"), [("Yesterday",), ("1",)])


def test_a_header_that_lacks_a_column_is_one_clear_error() -> None:
    table = Table("songs", (Column("title", source="name"),))
    with pytest.raises(InvalidTableError) as caught:
        RowConverter(table, ("id", "Name"))
    assert str(caught.value) == (
        "table songs, column 'title': the header lacks 'name'; did you mean 'Name'? It has 'id', 'Name'"
    )


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        (("id", "ORDER_ID"), "'ORDER_ID'"),
        (("id", " order id "), "' order id '"),
        (("id", "oder_id"), "'oder_id'"),
        (("id", "order_no"), ""),
        (("id", "x" * 100_000), ""),
    ],
)
def test_a_header_that_nearly_has_a_column_is_suggested(header: tuple[str, ...], meant: str) -> None:
    with pytest.raises(InvalidTableError) as caught:
        RowConverter(Table("orders", (Column("order_id"),)), header)
    assert (f"did you mean {meant}?" in str(caught.value)) if meant else ("mean" not in str(caught.value))


def test_a_header_that_has_the_column_twice_is_an_error() -> None:
    with pytest.raises(InvalidTableError, match="the header has 'id' 2 times"):
        RowConverter(Table("songs", (Column("id"),)), ("id", "id"))


def test_no_rows_are_no_rows() -> None:
    shaped, rejects = RowConverter(Table("t", (Column("a"), Column("b", T.INTEGER))), ("a", "b")).convert(
        rows(["a", "b"])
    )
    assert (shaped.count, [len(column) for column in shaped.columns], rejects) == (0, [0, 0], ())


# JSON records


def test_a_field_of_a_record_is_found_by_path_and_null_where_it_is_missing() -> None:
    table = Table("t", (Column("city", source="address.city"), Column("a.b", T.INTEGER)))
    batch = records({"address": {"city": "Bern"}, "a.b": 1, "more": []}, {"address": "?"}, {})
    shaped, rejects = RowConverter(table, ()).convert(batch)
    assert (shaped.columns, rejects) == ([["Bern", None, None], ["1", None, None]], ())


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (T.TEXT, "", ""),
        (T.TEXT, 5, "5"),
        (T.TEXT, Decimal("1.50"), "1.50"),
        (T.TEXT, True, "true"),
        (T.INTEGER, 2**63 - 1, 2**63 - 1),
        (T.INTEGER, Decimal("12.0"), 12),
        (T.INTEGER, "12", 12),
        (T.INTEGER, "", None),
        (T.NUMERIC, 5, Decimal(5)),
        (T.NUMERIC, Decimal("0.1"), Decimal("0.1")),
        (T.FLOAT, Decimal("0.1"), 0.1),
        (T.BOOLEAN, False, False),
        (T.BOOLEAN, 1, True),
        (T.DATE, "2024-02-29", date(2024, 2, 29)),
        (T.JSON, {"a": [Decimal("1.10"), None, "é"]}, {"a": [Decimal("1.10"), None, "é"]}),
        (T.JSON, "text", "text"),
        (T.JSON, "", ""),
        (T.JSON, None, None),
    ],
)
def test_a_json_value_becomes_its_value(kind: ColumnType, value: object, expected: object) -> None:
    values, rejects = read_json(Column("x", kind), value)
    assert (list(values), rejects) == ([expected], [])
    assert type(values[0]) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (T.TEXT, {"a": 1}, "'{\"a\": 1}' is an object, not text"),
        (T.INTEGER, [1], "'[1]' is a list, not integer"),
        (T.INTEGER, True, "'true' is not an integer"),
        (T.INTEGER, 2**63, "'9223372036854775808' does not fit 64 bits"),
        (T.DATE, 20240101.0, f"'20240101.0' {NO_DATE}"),
        (T.JSON, "\0", "holds a NUL character"),
        (T.JSON, {"a\ud800": Decimal(1)}, "holds half a surrogate pair: '\\ud800'"),
    ],
)
def test_a_json_value_of_the_wrong_type_is_a_reject(kind: ColumnType, value: object, reason: str) -> None:
    assert read_json(Column("x", kind), value) == ([], [reason])


def test_what_is_no_object_is_a_reject() -> None:
    table = Table("t", (Column("x", T.INTEGER, nullable=False),))
    shaped, rejects = RowConverter(table, ()).convert(records([1], {"x": 1}, None, "x"))
    assert shaped.columns == [["1"]]
    assert [(reject.position.row, reject.column, reject.reason) for reject in rejects] == [
        (1, "", "is not an object"),
        (3, "", "is not an object"),
        (4, "", "is not an object"),
    ]


def test_documents_keep_every_digit_on_their_way_to_the_database() -> None:
    number = Decimal("0.1234567890123456789012345678901234567890")
    texts, _ = read_json(Column("x", T.JSON), {"n": [number, 10**30]}, form=Form.TEXT)
    assert texts == ['{"n": [0.1234567890123456789012345678901234567890, 1000000000000000000000000000000]}']


# The two ways of reading agree

CELLS = st.one_of(
    st.text(max_size=6),
    st.integers().map(str),
    st.decimals(allow_nan=True).map(str),
    st.floats().map(repr),
    st.from_regex(r"[+-]?[0-9_]{0,20}\.?[0-9]{0,3}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.dates().map(str),
    st.from_regex(r"20[0-9]{2}-?[01][0-9]-?[0-3][0-9]", fullmatch=True),
    st.datetimes(timezones=st.none() | st.timezones()).map(str),
    st.from_regex(
        r"20[0-9]{2}-0[0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](:[0-6][0-9](\.[0-9]{1,7})?)?"
        r"(Z|[+-][0-2][0-9](:?[0-6][0-9])?)?",
        fullmatch=True,
    ),
    st.sampled_from(["true", "F", "Yes", "on", "1", "0", "null", "[1, 2.0]", '{"a": "\\u0000"}', "nan", "inf", " 1"]),
)


@pytest.mark.parametrize("kind", list(ColumnType))
@given(texts=st.lists(CELLS, min_size=1, max_size=4))
def test_a_column_that_is_accepted_as_a_whole_has_the_values_of_its_texts(kind: ColumnType, texts: list[str]) -> None:
    reader = PLAIN[kind]
    if reader.accepts(Cells(texts)):
        assert list(reader.values(texts)) == [reader.value(text) for text in texts]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "a field has an empty name"),
        ("\udfaa", "the name of a field holds half a surrogate pair: '\\udfaa'"),
        ("a\0b", "the name of a field holds a NUL character"),
    ],
)
@pytest.mark.parametrize("form", Form)
def test_a_record_with_an_impossible_name_is_a_reject_and_teaches_no_column(name: str, reason: str, form: Form) -> None:
    batch = records({"a": 1}, {name: 2}, {"a": 3})
    columns = infer(batch)
    assert [column.name for column in columns] == ["a"]
    found, rejects = RowConverter(Table("t", columns), (), form).convert(batch)
    assert found.count == 2
    assert [(reject.position.row, reject.column, reject.reason) for reject in rejects] == [(2, "", reason)]
