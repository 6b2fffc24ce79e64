"""The mark of an inferred Iceberg column never grows old: its type is the widest of its kind, and is not widened."""

from __future__ import annotations

import pytest

from penstock.destinations.iceberg.schema_changes import new_schema, wider_columns
from penstock.model.column import Column, ColumnType
from penstock.tables.spellings import ANY_SPELLING, SPELLINGS

INFERRED = [name for name, spelling in SPELLINGS.items() if spelling.type not in ANY_SPELLING]
DECLARED = [Column("n", kind) for kind in ColumnType] + [Column("n", ColumnType.NUMERIC, digits=38, places=9)]


@pytest.mark.parametrize("spelling", INFERRED)
def test_no_declared_type_widens_a_column_with_a_mark(spelling: str) -> None:
    [field] = new_schema([Column("n", SPELLINGS[spelling].type, spellings=(spelling,))])["fields"]
    assert field["doc"] == f"inferred by penstock: {spelling}"
    assert wider_columns(DECLARED, {"n": field["type"]}) == []


def test_a_narrower_column_is_widened() -> None:
    assert wider_columns([Column("n", ColumnType.INTEGER)], {"n": "int"})
