"""``numeric(12,2)``: how a route declares it, and what such a column takes, whatever the destination."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from penstock.destinations.postgres.catalog import type_of
from penstock.errors import InvalidRouteError
from penstock.model.column import Column, ColumnType, Storage
from penstock.model.identity import identity
from penstock.model.parse_options import ParseOptions
from penstock.model.table import Form, Table, TablePlan
from penstock.routes.columns import read_column
from penstock.routes.fields import Fields
from penstock.tables import ChunkBuilder, RowConverter
from table_batches import rows

T = ColumnType


def column(kind: str) -> Column:
    return read_column(Fields({"name": "x", "type": kind}, "a route", "a column"), ())


def test_digits_are_part_of_the_column() -> None:
    found = column("numeric(12,2)")
    assert (found.type, found.digits, found.places, found.declared_type) == (T.NUMERIC, 12, 2, "numeric(12,2)")
    assert column("numeric( 38 , 0 )").declared_type == "numeric(38,0)"
    assert type_of(found).as_string() == "numeric(12,2)"


def test_a_plain_numeric_is_what_it_was() -> None:
    assert column("numeric") == Column("x", T.NUMERIC, nulls=())
    assert "digits" not in identity(column("numeric"))
    assert "digits=12" in identity(column("numeric(12,2)"))


@pytest.mark.parametrize("kind", ["numeric(0,0)", "numeric(39,2)", "numeric(2,3)"])
def test_digits_that_cannot_be_are_refused(kind: str) -> None:
    with pytest.raises(InvalidRouteError, match="has 1 to 38 digits, and no more of them behind the point"):
        column(kind)


@pytest.mark.parametrize("kind", ["numeric(12)", "numeric(a,b)", "integer(3,0)", "numeric(3,-1)"])
def test_other_types_have_no_digits(kind: str) -> None:
    with pytest.raises(InvalidRouteError, match="must be one of text, integer, numeric"):
        column(kind)


TAKEN = ["999.99", "-999.99", "0012.5", "1.2300", "1e2", "+.5", " 7 "]
REFUSED = ["1000", "1.239", "1e3", "0.001", "x"]


@pytest.mark.parametrize(
    "storage", [None, Storage(T.NUMERIC), Storage(T.NUMERIC, places=2), Storage(T.NUMERIC, places=4), Storage(T.FLOAT)]
)
@pytest.mark.parametrize("form", Form)
def test_a_number_with_other_digits_is_a_reject(form: Form, storage: Storage | None) -> None:
    table = Table("t", (Column("x", T.NUMERIC, digits=5, places=2, storage=storage), Column("y")))
    made, rejects = RowConverter(table, ("x", "y"), form).convert(
        rows(["x", "y"], *([t, "a"] for t in TAKEN + REFUSED))
    )
    assert [reject.position.row for reject in rejects] == list(range(len(TAKEN) + 1, len(TAKEN + REFUSED) + 1))
    assert [Decimal(str(value)) for value in made.columns[0]] == [Decimal(text) for text in TAKEN]


def recognised(held: Storage | None, kind: ColumnType, texts: Sequence[str]) -> list[str]:
    """The numbers that PostgreSQL may read as they are."""
    made = Column("x", kind, digits=5, places=2, storage=held)
    validator = ChunkBuilder(TablePlan(ParseOptions(), Table("t", (made, Column("y"))))).validator(("x", "y"), ",", '"')
    assert validator
    found = []
    for text in texts:
        if validator(f"{text},a\n".encode()):
            found.append(text)
        else:
            validator = ChunkBuilder(TablePlan(ParseOptions(), Table("t", (made, Column("y"))))).validator(
                ("x", "y"), ",", '"'
            )
            assert validator
    return found


def test_raw_csv_has_no_other_digits() -> None:
    texts = ["999.99", "1000", "1.5", "1.239", "-7", "0.001"]
    assert recognised(None, T.NUMERIC, texts) == ["999.99", "1.5", "-7"]
    assert recognised(Storage(T.NUMERIC, places=1), T.NUMERIC, texts) == ["1.5", "-7"]
    assert recognised(Storage(T.INTEGER), T.INTEGER, texts) == ["-7"]
    assert recognised(Storage(T.NUMERIC, places=-1), T.NUMERIC, texts) == []
