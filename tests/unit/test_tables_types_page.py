"""The list of docs/types.md is what inferred columns take, whichever way a batch goes."""

from __future__ import annotations

import pytest

from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import ParseOptions
from penstock.model.table import Table, TablePlan
from penstock.tables import ChunkBuilder, RowConverter, infer
from penstock.tables.column_kinds import Cells
from penstock.tables.kind_choice import kind_of
from penstock.tables.spellings import SPELLINGS
from table_batches import rows
from types_page import examples, table_below

LISTED = [
    (ColumnType(kind), spelling.strip("`"), examples(good), examples(bad))
    for kind, spelling, good, bad in table_below("## Inferred columns")
]


def test_every_spelling_is_listed() -> None:
    assert [(spelling, kind) for kind, spelling, _, _ in LISTED] == sorted(
        ((name, spelling.type) for name, spelling in SPELLINGS.items()),
        key=lambda one: [listed for _, listed, _, _ in LISTED].index(one[0]),
    )


def passes(table: Table, text: str) -> bool:
    """Whether a CSV may be loaded as it is."""
    validator = ChunkBuilder(TablePlan(ParseOptions(), table)).validator(("x", "y"), ",", '"')
    return bool(validator and validator(text.encode()))


@pytest.mark.parametrize(("kind", "spelling", "good", "bad"), LISTED, ids=[spelling for _, spelling, _, _ in LISTED])
def test_a_column_takes_what_is_listed_and_nothing_else(
    kind: ColumnType, spelling: str, good: list[str], bad: list[str]
) -> None:
    column = Column("x", kind, spellings=(spelling,))
    table = Table("t", (column, Column("y")))
    for text in good:
        shaped, rejects = RowConverter(table, ("x", "y")).convert(rows(["x", "y"], (text, "")))
        assert (list(shaped.columns[0]), rejects) == ([text], ())
        assert kind is ColumnType.JSON or passes(table, f'"{text}",y\n{text},y\n')
    for text in bad:
        _, rejects = RowConverter(table, ("x", "y")).convert(rows(["x", "y"], (text, ""), (good[0], "")))
        assert [(reject.position.row, reject.column) for reject in rejects] == [(1, "x")]
        assert not kind_of(column).accepts(Cells([text]))
        assert not passes(table, f'"{text}",y\n')


@pytest.mark.parametrize(
    ("kind", "spelling", "good"), [one[:3] for one in LISTED if one[0] is not ColumnType.JSON], ids=str
)
def test_a_sample_of_what_is_listed_is_inferred_so(kind: ColumnType, spelling: str, good: list[str]) -> None:
    (column,) = infer(rows(["x"], *([text] for text in good)))
    assert (column.type, column.spellings) == (kind, (spelling,))
