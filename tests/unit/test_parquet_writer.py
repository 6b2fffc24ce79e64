"""Parquet files: every value and type is read back by readers that are not ours; what does not fit is a reject."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import inf, isnan, nan
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.conversions import from_bytes
from pyiceberg.types import DecimalType, NestedField, PrimitiveType

from penstock.destinations.parquet.file_writer import FileSummary, ParquetFileWriter
from penstock.destinations.parquet.record_batches import RecordBatches
from penstock.destinations.parquet.row_groups import write_row_group
from penstock.destinations.parquet.schema import LakeColumn, LakeSchema, LakeType, lake_type, schema_of
from penstock.errors import InvalidTableError, PermanentError
from penstock.limits import MIB
from penstock.model.column import Column, ColumnType
from penstock.model.data_file import ColumnStatistics
from penstock.model.load import Rows
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Reject
from penstock.model.table import Form, Table, TablePlan
from penstock.tables import RowConverter, fit_to_storage
from table_batches import records, rows

T = ColumnType


def converted(
    columns: Sequence[Column], *values: object, schema: LakeSchema | None = None
) -> tuple[Rows, tuple[Reject, ...]]:
    """What the row converter makes of JSON records, or of rows of texts, for a table of this schema."""
    plan = TablePlan(ParseOptions(), Table("t", tuple(columns)))
    held = schema.storages(columns) if schema else schema_of(columns).storages(columns)
    table = fit_to_storage(plan, {"t": held}).table
    assert table
    batch = records(*values) if isinstance(values[0], dict) else rows([c.name for c in columns], *values)  # type: ignore[arg-type]
    return RowConverter(table, batch.names, Form.ARROW).convert(batch)


def written(
    schema: LakeSchema, *parts: Rows, row_group_bytes: int = 1 << 20, flush: bool = False
) -> tuple[bytes, FileSummary]:
    out = io.BytesIO()
    writer = ParquetFileWriter(out.write, schema, row_group_bytes=row_group_bytes)
    for part in parts:
        writer.add(part)
        if flush:
            writer.flush()
    summary = writer.finish()
    return out.getvalue(), summary


def file_of(columns: Sequence[Column], *values: object, schema: LakeSchema | None = None) -> tuple[bytes, FileSummary]:
    made, rejects = converted(columns, *values, schema=schema)
    assert rejects == ()
    out = io.BytesIO()
    writer = ParquetFileWriter(out.write, schema or schema_of(columns))
    writer.add(made)
    summary = writer.finish()
    assert summary.size == len(out.getvalue())
    return out.getvalue(), summary


def rejected(column: Column, *texts: object, schema: LakeSchema | None = None) -> list[str]:
    """The reasons; every one of the texts is rejected."""
    made, rejects = converted([column, Column("n")], *([text, "x"] for text in texts), schema=schema)
    assert [reject.column for reject in rejects] == [column.name] * len(texts), (made.columns, rejects)
    return [reject.reason for reject in rejects]


def table(kind: str) -> LakeSchema:
    return LakeSchema((LakeColumn("x", 1, lake_type(kind)), LakeColumn("n", 2, LakeType("string"))))


ALL = (
    Column("t"),
    Column("i", T.INTEGER),
    Column("d", T.NUMERIC, digits=12, places=2),
    Column("n", T.NUMERIC),
    Column("f", T.FLOAT),
    Column("b", T.BOOLEAN),
    Column("day", T.DATE),
    Column("at", T.TIMESTAMP),
    Column("j", T.JSON),
)
TEXTS: list[list[str | None]] = [
    ["ä", "-9223372036854775808", "-9999999999.99", "0.000000001", "-1.5e300", "t", "0001-01-01",
     "2024-02-29T23:59:59.999999+02:00", '{"a": 1.10}'],
    [None] * 9,
    ["x" * 300, "9223372036854775807", "9999999999.99", "-12345678901234567890123456789.5", "nan", "no", "9999-12-31",
     "0001-01-01", "[null]"],
    ["\U0001f600", "007", "1.50", "1e3", "-inf", "TRUE", "20240102", "9999-12-31 23:59:59", '"1"'],
]  # fmt: skip
VALUES: list[list[Any]] = [
    ["ä", -(2**63), Decimal("-9999999999.99"), Decimal("0.000000001"), -1.5e300, True, date(1, 1, 1),
     datetime(2024, 2, 29, 21, 59, 59, 999999, UTC), '{"a": 1.10}'],
    [None] * 9,
    ["x" * 300, 2**63 - 1, Decimal("9999999999.99"), Decimal("-12345678901234567890123456789.5"), nan, False,
     date(9999, 12, 31), datetime(1, 1, 1, tzinfo=UTC), "[null]"],
    ["\U0001f600", 7, Decimal("1.50"), Decimal(1000), -inf, True, date(2024, 1, 2),
     datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), '"1"'],
]  # fmt: skip


def comparable(values: Sequence[Any]) -> list[Any]:
    return ["nan" if isinstance(value, float) and isnan(value) else value for value in values]


def test_pyarrow_reads_every_value_and_type() -> None:
    file, summary = file_of(ALL, *TEXTS)

    read = pq.read_table(io.BytesIO(file))

    assert read.schema.types == [
        pa.string(), pa.int64(), pa.decimal128(12, 2), pa.decimal128(38, 9), pa.float64(), pa.bool_(), pa.date32(),
        pa.timestamp("us", tz="UTC"), pa.string(),
    ]  # fmt: skip
    assert [comparable(column.to_pylist()) for column in read.columns] == [comparable(c) for c in zip(*VALUES)]  # noqa: B905
    assert summary.rows == read.num_rows == 4
    metadata = pq.ParquetFile(io.BytesIO(file)).metadata.row_group(0)
    assert {metadata.column(number).compression for number in range(9)} == {"ZSTD"}


def test_duckdb_reads_every_value(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(file_of(ALL, *TEXTS)[0])

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(
            """SELECT * REPLACE (epoch_us("at") AS "at", ("day" - DATE '1970-01-01') AS "day") FROM read_parquet(?)""",
            [str(path)],
        ).fetchall()

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    expected = [
        [
            *row[:6],
            row[6] and (row[6] - epoch.date()).days,
            row[7] and (row[7] - epoch) // timedelta(microseconds=1),
            row[8],
        ]
        for row in VALUES
    ]
    assert [comparable(row) for row in found] == [comparable(row) for row in expected]


def test_field_ids_are_those_of_the_schema() -> None:
    schema = LakeSchema(
        (LakeColumn("x", 7, LakeType("long")), LakeColumn("y", 3, lake_type("list", element=(9, "int"))))
    )
    file, _ = file_of([Column("x", T.INTEGER), Column("y", elements=T.INTEGER)], ["1", "{1}"], schema=schema)
    arrow = pq.read_schema(io.BytesIO(file))
    assert [arrow.field(n).metadata[b"PARQUET:field_id"] for n in (0, 1)] == [b"7", b"3"]
    assert arrow.field(1).type.value_field.metadata[b"PARQUET:field_id"] == b"9"


def test_lists_are_read_back() -> None:
    columns = [Column("i", elements=T.INTEGER), Column("t", elements=T.TEXT), Column("at", elements=T.TIMESTAMP)]
    file, summary = file_of(
        columns,
        {"i": [1, None], "t": ["a", "NULL", '"'], "at": ["2024-01-01"]},
        {"i": [], "t": None},
        {"i": [-5], "t": [None], "at": []},
    )
    read = pq.read_table(io.BytesIO(file)).to_pydict()
    assert read == {
        "i": [[1, None], [], [-5]],
        "t": [["a", "NULL", '"'], None, [None]],
        "at": [[datetime(2024, 1, 1, tzinfo=UTC)], None, []],
    }
    found = [(each.field_id, each.values, each.lower) for each in summary.columns]
    assert found == [(4, 4, None), (5, 5, None), (6, 3, None)]


def test_types_of_an_existing_table() -> None:
    schema = LakeSchema(
        tuple(
            LakeColumn(name, number, lake_type(kind))
            for number, (name, kind) in enumerate(
                [
                    ("i", "int"),
                    ("f", "float"),
                    ("u", "uuid"),
                    ("at", "timestamp"),
                    ("day", "timestamptz"),
                    ("s", "string"),
                ],
                1,
            )
        )
    )
    columns = [Column("i"), Column("f"), Column("u"), Column("at"), Column("day", T.DATE), Column("s", T.INTEGER)]
    file, _ = file_of(
        columns,
        ["-2147483648", "0.1", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "2024-01-01T02:00+02:00", "2024-01-01", "007"],
        schema=schema,
    )
    read = pq.read_table(io.BytesIO(file))
    assert read.to_pylist() == [
        {
            "i": -(2**31),
            "f": struct.unpack("<f", struct.pack("<f", 0.1))[0],
            "u": UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            "at": datetime(2024, 1, 1),  # noqa: DTZ001  # the column has no zone
            "day": datetime(2024, 1, 1, tzinfo=UTC),
            "s": "007",
        }
    ]
    assert read.schema.types[:2] == [pa.int32(), pa.float32()]
    assert "fixed_len_byte_array(16) field_id=3 u (UUID)" in str(pq.ParquetFile(io.BytesIO(file)).schema)


def test_row_groups_have_the_target_size_and_make_one_file() -> None:
    columns = [Column("x", T.INTEGER), Column("t")]
    parts = [
        converted(columns, *([str(n), f"text {n}"] for n in range(first, first + 100)))[0]
        for first in range(0, 1000, 100)
    ]
    file, summary = written(schema_of(columns), *parts, row_group_bytes=6000)
    read = pq.ParquetFile(io.BytesIO(file))
    assert read.read().to_pydict() == {"x": list(range(1000)), "t": [f"text {n}" for n in range(1000)]}
    assert read.metadata.num_row_groups == 4
    assert [read.metadata.row_group(n).num_rows for n in range(4)] == [300, 300, 300, 100]
    starts = [min(read.metadata.row_group(n).column(c).dictionary_page_offset for c in range(2)) for n in range(4)]
    assert list(summary.split_offsets) == starts
    assert (summary.rows, summary.columns[0].values) == (1000, 1000)
    assert summary.columns[0].compressed_size == sum(
        read.metadata.row_group(n).column(0).total_compressed_size for n in range(4)
    )


def test_the_memory_of_many_small_batches_is_counted() -> None:
    columns = [Column(f"c{n}", T.INTEGER) for n in range(50)]
    writer = ParquetFileWriter(lambda _: None, schema_of(columns), row_group_bytes=MIB)
    row, _ = converted(columns, ["1"] * 50)
    for _ in range(2):
        writer.add(row)
    assert writer.pending > 2 * 50 * 800
    # Small batches are combined, so that most of it is freed.
    for _ in range(38):
        writer.add(row)
    assert writer.pending < 40 * 50 * 800 / 2
    assert writer.rows == 40


def test_batches_are_released_to_the_encoder() -> None:
    columns = [Column("x", T.INTEGER), Column("t")]
    schema = schema_of(columns)
    batches = [RecordBatches(schema).of(converted(columns, [str(n), "text"])[0]) for n in range(3)]
    written = write_row_group(schema.arrow, batches, "zstd(1)")
    assert written.footer.rows == 3
    assert batches == []


def test_a_file_without_rows_has_its_columns() -> None:
    file, summary = written(schema_of(ALL))
    read = pq.read_table(io.BytesIO(file))
    assert (read.num_rows, read.column_names) == (0, [column.name for column in ALL])
    assert (summary.rows, summary.split_offsets, summary.size) == (0, (), len(file))
    assert {(each.values, each.lower) for each in summary.columns} == {(0, None)}


def test_columns_that_the_rows_lack_are_null() -> None:
    made, _ = converted([Column("x", T.INTEGER)], ["1"])
    schema = schema_of([Column("d", T.DATE), Column("x", T.INTEGER), Column("l", elements=T.TEXT)])
    assert pq.read_table(io.BytesIO(written(schema, made)[0])).to_pylist() == [{"d": None, "x": 1, "l": None}]


def test_columns_that_the_schema_lacks_or_requires_are_refused() -> None:
    made, _ = converted([Column("x", T.INTEGER)], ["1"])
    with pytest.raises(InvalidTableError, match="no column 'x'"):
        written(schema_of([Column("y")]), made)
    with pytest.raises(InvalidTableError, match="'y' is required"):
        written(LakeSchema((LakeColumn("y", 1, LakeType("long"), is_required=True),)), made)


def test_a_value_that_does_not_fit_is_never_null_or_rounded() -> None:
    made, _ = converted([Column("x", T.NUMERIC)], ["1.25"])
    with pytest.raises(PermanentError, match=r"does not fit decimal\(1, 0\)"):
        written(
            schema_of([Column("x", T.NUMERIC, digits=1, places=0)]), converted([Column("x", T.NUMERIC)], ["125"])[0]
        )
    assert made.count == 1


NUMERIC = Column("x", T.NUMERIC, digits=5, places=2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1.239", "'1.239' would be rounded: the column keeps 2 digits behind the point"),
        ("1e-3", "'1e-3' would be rounded: the column keeps 2 digits behind the point"),
        ("1000", "'1000' does not fit decimal(5, 2)"),
        ("1e3", "'1e3' does not fit decimal(5, 2)"),
        ("-1000.00", "'-1000.00' does not fit decimal(5, 2)"),
        ("nan", "'nan' is not a number"),
    ],
)
def test_decimals_beyond_the_declared_digits_are_rejects(text: str, reason: str) -> None:
    assert rejected(NUMERIC, text) == [reason]
    file, _ = file_of([NUMERIC], ["999.99"], ["-0.10"], ["1.2300"], ["0012"], ["1e2"], [None])
    assert pq.read_table(io.BytesIO(file))["x"].to_pylist() == [
        Decimal("999.99"), Decimal("-0.10"), Decimal("1.23"), Decimal(12), Decimal(100), None,
    ]  # fmt: skip


@pytest.mark.parametrize(("places", "text"), [(38, f"-0.{'9' * 38}"), (2, f"{'9' * 36}.99")])
def test_a_decimal_of_all_38_digits_fits(places: int, text: str) -> None:
    # A number with a plus is not plain: then each value is looked at.
    file, _ = file_of([Column("x", T.NUMERIC, digits=38, places=places)], [text], ["+0.01"])
    assert pq.read_table(io.BytesIO(file))["x"].to_pylist() == [Decimal(text), Decimal("0.01")]


def test_a_numeric_without_digits_keeps_nine_places_of_38() -> None:
    plain = Column("x", T.NUMERIC)
    assert rejected(plain, "1.0000000001", "1" * 30) == [
        "'1.0000000001' would be rounded: the column keeps 9 digits behind the point",
        f"'{'1' * 30}' does not fit decimal(38, 9)",
    ]
    file, _ = file_of([plain], ["1" * 29 + ".123456789"])
    assert pq.read_table(io.BytesIO(file))["x"].to_pylist() == [Decimal("1" * 29 + ".123456789")]


@pytest.mark.parametrize(
    ("kind", "declared", "text", "reason"),
    [
        ("int", T.TEXT, "2147483648", "does not fit 32 bits"),
        ("int", T.NUMERIC, "1.5", "is not an integer"),
        ("long", T.TEXT, "9223372036854775808", "does not fit 64 bits"),
        ("double", T.TEXT, "1e400", "does not fit double precision"),
        ("double", T.INTEGER, "9007199254740993", "does not fit double precision"),
        ("float", T.TEXT, "1e39", "does not fit single precision"),
        ("float", T.TEXT, "1e-60", "does not fit single precision"),
        ("float", T.INTEGER, "16777217", "does not fit single precision"),
        ("decimal(4, 1)", T.INTEGER, "1000", "does not fit decimal(4, 1)"),
        ("decimal(4, 1)", T.FLOAT, "0.25", "would be rounded"),
        ("date", T.TEXT, "2024-02-30", "is not a date"),
        ("date", T.TEXT, "10000-01-01", "is not a date"),
        ("date", T.TIMESTAMP, "2024-01-01T10:00", "is not a date"),
        ("timestamptz", T.TEXT, "2024-01-01T00:00:00.0000001", "digits beyond microseconds"),
        ("timestamptz", T.TEXT, "0001-01-01T00:00+02:00", "in a year that does not exist in UTC"),
        ("timestamp", T.TEXT, "9999-12-31T23:00-02:00", "in a year that does not exist in UTC"),
        ("uuid", T.TEXT, "f81d4fae", "is not a UUID"),
        ("boolean", T.TEXT, "2", "is not a boolean"),
    ],
)
def test_what_does_not_fit_the_type_of_a_table_is_a_reject(kind: str, declared: T, text: str, reason: str) -> None:
    (found,) = rejected(Column("x", declared), text, schema=table(kind))
    assert reason in found


def test_types_that_are_not_written_are_refused_by_name() -> None:
    for kind in ("fixed[4]", "binary", "time", "timestamp_ns", "struct", "map", "variant"):
        with pytest.raises(
            InvalidTableError, match=rf"column 'x' has the type {kind.replace('[', '.').replace(']', '.')}"
        ):
            lake_type(kind, column="x")


@pytest.mark.parametrize("declared", [T.INTEGER, T.DATE, T.JSON])
def test_a_declared_type_that_the_table_cannot_hold_is_refused_by_name(declared: T) -> None:
    with pytest.raises(InvalidTableError, match=f"column 'x' is boolean, but the route declares {declared}"):
        table("boolean").storages([Column("x", declared)])


def bounds(kind: str, declared: T, *texts: str | None) -> tuple[Any, Any, ColumnStatistics]:
    """The bounds as pyiceberg reads them."""
    schema = table(kind)
    _, summary = file_of([Column("x", declared), Column("n")], *([text, "x"] for text in texts), schema=schema)
    known: PrimitiveType = NestedField.model_validate(
        {"id": 1, "name": "x", "type": kind, "required": False}
    ).field_type  # type: ignore[assignment]
    found = summary.columns[0]
    lower, upper = (None if raw is None else from_bytes(known, raw) for raw in (found.lower, found.upper))
    return lower, upper, found


@pytest.mark.parametrize(
    ("kind", "declared", "texts", "lower", "upper"),
    [
        ("int", T.INTEGER, ["3", "-2", None], -2, 3),
        ("long", T.INTEGER, ["3", str(-(2**63))], -(2**63), 3),
        ("float", T.FLOAT, ["1.5", "-2"], -2.0, 1.5),
        ("double", T.FLOAT, ["1.5", "nan", "-inf"], -inf, 1.5),
        ("boolean", T.BOOLEAN, ["t", "f"], False, True),
        ("date", T.DATE, ["2024-01-02", "1969-12-31"], -1, 19724),
        ("timestamptz", T.TIMESTAMP, ["1970-01-01T00:00:00.000001", "1969-12-31T23:59:59.999999"], -1, 1),
        ("timestamp", T.TIMESTAMP, ["1970-01-01T00:00:00.000001"], 1, 1),
        ("decimal(9, 2)", T.NUMERIC, ["-1.28", "1.28", "0"], Decimal("-1.28"), Decimal("1.28")),
        ("decimal(18, 2)", T.NUMERIC, ["-1.28", "327.67"], Decimal("-1.28"), Decimal("327.67")),
        ("decimal(38, 2)", T.NUMERIC, ["-1.29", f"{'9' * 36}.99"], Decimal("-1.29"), Decimal(f"{'9' * 36}.99")),
        ("string", T.TEXT, ["b", "a", "", None], "a", "b"),
        (
            "uuid",
            T.TEXT,
            ["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"],
            *[UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6").bytes] * 2,
        ),
    ],
)
def test_bounds_are_those_of_iceberg(
    kind: str, declared: T, texts: list[str | None], lower: object, upper: object
) -> None:
    found = bounds(kind, declared, *texts)
    assert found[:2] == (lower, upper)
    nulls = sum(not text for text in texts)
    assert (found[2].values, found[2].nulls) == (len(texts), nulls)
    assert found[2].nans == (texts.count("nan") if declared is T.FLOAT else None)


@pytest.mark.parametrize(
    ("value", "hexadecimal"), [("0", "00"), ("1.27", "7f"), ("1.28", "0080"), ("-1.28", "80"), ("-1.29", "ff7f")]
)
def test_a_decimal_bound_has_the_fewest_bytes(value: str, hexadecimal: str) -> None:
    _, _, found = bounds("decimal(9, 2)", T.NUMERIC, value)
    assert (found.lower, found.upper) == (bytes.fromhex(hexadecimal),) * 2


def test_a_zero_has_both_signs_in_the_bounds_of_floats() -> None:
    for text in ("0.0", "-0.0"):
        lower, upper, _ = bounds("double", T.FLOAT, text)
        assert (str(lower), str(upper)) == ("-0.0", "0.0")


def test_a_column_of_nan_or_null_has_no_bounds() -> None:
    assert bounds("double", T.FLOAT, "nan", "nan", None)[:2] == (None, None)
    assert bounds("string", T.TEXT, None)[:2] == (None, None)
    # The sum of both infinities is NaN, but neither of them.
    assert bounds("double", T.FLOAT, "inf", "-inf")[2].nans == 0


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [
        ("x" * 16, "x" * 16, "x" * 16),
        ("x" * 17, "x" * 16, "x" * 15 + "y"),
        ("ä" * 17, "ä" * 16, "ä" * 15 + "å"),
        ("x" * 15 + "\U0010ffff" + "z", "x" * 15 + "\U0010ffff", "x" * 14 + "y"),
        ("x" * 15 + "\ud7ff" + "z", "x" * 15 + "\ud7ff", "x" * 15 + "\ue000"),
        ("\U0010ffff" * 17, "\U0010ffff" * 16, None),
        ("\U0001f600" * 5000, "\U0001f600" * 16, "\U0001f600" * 15 + "\U0001f601"),
    ],
)
def test_the_bounds_of_texts_are_cut(text: str, lower: str, upper: str | None) -> None:
    assert bounds("string", T.TEXT, text)[:2] == (lower, upper)


def test_bounds_of_several_row_groups_are_those_of_the_file() -> None:
    columns = [Column("x", T.INTEGER), Column("s"), Column("f", T.FLOAT)]
    parts = [
        converted(columns, ["5", "m", "nan"])[0],
        converted(columns, ["-7", None, "1"])[0],
        converted(columns, [None, "a", None])[0],
    ]
    _, summary = written(schema_of(columns), *parts, flush=True)
    x, s, f = summary.columns
    assert (x.lower, x.upper, x.nulls, x.values) == (struct.pack("<q", -7), struct.pack("<q", 5), 1, 3)
    assert (s.lower, s.upper, s.nulls) == (b"a", b"m", 1)
    assert (f.lower, f.upper, f.nans, f.nulls) == (struct.pack("<d", 1), struct.pack("<d", 1), 1, 1)
    assert len(summary.split_offsets) == 3


def test_the_parts_of_pyiceberg_read_decimals_as_this_does() -> None:
    assert from_bytes(DecimalType(9, 2), b"\x80") == Decimal("-1.28")


@pytest.mark.parametrize(
    ("kind", "spelling", "taken", "refused"),
    [
        (T.TIMESTAMP, "YYYY-MM-DD hh:mm", "2024-01-01 10:00", "2024-01-01T10:00"),
        (T.NUMERIC, "numeric", "1.5", "01.5"),
        (T.INTEGER, "integer", "7", "007"),
        (T.BOOLEAN, "true", "true", "yes"),
    ],
)
def test_a_new_column_takes_only_what_the_sample_has_shown(kind: T, spelling: str, taken: str, refused: str) -> None:
    column = Column("x", kind, spellings=(spelling,))
    (reason,) = rejected(column, refused)
    assert "is not in the form of an inferred" in reason
    assert converted([column], [taken])[1] == ()
