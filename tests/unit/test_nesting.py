"""Values nested as deep as the interpreter's stack goes: each record is a row or a reject, whoever meets the end of it.

Reading, looking through and writing a value take different amounts of the stack, so that each of them may be the first
to fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from penstock.destinations.dynamodb.items import LastWins
from penstock.destinations.dynamodb.table import KeyAttribute, KeySchema
from penstock.formats import parse
from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.table import Table, TablePlan
from penstock.tables import ChunkBuilder, Form

T = TypeVar("T")

KEY = KeySchema((KeyAttribute("id", "S", 2048),))
DEPTHS = range(20, 1100, 30)
LEAVES = ["1", "1.5", r'"\u00e9"', r'"\u00e9", 1.5']


def lists(depth: int, leaf: str) -> str:
    return "[" * depth + leaf + "]" * depth


def objects(depth: int, leaf: str) -> str:
    return '{"a":' * depth + f"[{leaf}]" + "}" * depth


def json_lines(value: str) -> str:
    return f'{{"id": "deep", "value": {value}}}\n{{"id": "flat", "value": [2]}}\n'


def json_document(value: str) -> str:
    return f"[{json_lines(value).replace(chr(10), ',', 1)}]"


def csv(value: str) -> str:
    return 'id,value\ndeep,"{}"\nflat,[2]\n'.format(value.replace('"', '""'))


@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("nest", [lists, objects])
@pytest.mark.parametrize(
    ("form", "file"), [(Format.JSONL, json_lines), (Format.JSON, json_document), (Format.CSV, csv)]
)
@pytest.mark.parametrize("wanted", Form)
def test_a_record_that_is_nested_too_deeply_is_a_reject(
    form: Format, file: Callable[[str], str], wanted: Form, nest: Callable[[int, str], str], leaf: str
) -> None:
    plan = TablePlan(ParseOptions(format=form), Table("t", (Column("id"), Column("value", ColumnType.JSON))))
    for depth in DEPTHS:
        (batch,) = parse([file(nest(depth, leaf)).encode()], plan.parse, batch_bytes=100_000)
        chunk, rejects = ChunkBuilder(plan, wanted).chunk(0, batch)
        (rows,) = chunk.rows
        if wanted is Form.VALUE:
            items = LastWins(KEY, [rows])
            left = sorted(str(put.key[0]) for put in items.puts())
            rejects += tuple(items.rejects)
        else:
            left = sorted(map(str, rows.columns[0]))
        assert left == ["deep", "flat"][len(rejects) :]
        assert [reject.position.row for reject in rejects] in ([], [1])
        assert all("nested too deeply" in reject.reason or "32 levels" in reject.reason for reject in rejects)
        assert [rows.position(row).row for row in range(rows.count)] == [1, 2][2 - rows.count :]
    assert rejects


def deeper(levels: int, call: Callable[[], T]) -> T:
    """What a call answers when so much more of the stack is in use."""
    return deeper(levels - 1, call) if levels else call()


@pytest.mark.parametrize("bad", [[], ["NaN"]], ids=["all good", "one bad"])
@pytest.mark.parametrize("form", [Format.JSONL, Format.JSON])
def test_a_second_look_at_a_batch_finds_every_record_where_the_first_one_did(form: Format, bad: list[str]) -> None:
    records = [f'{{"a": {lists(700, "1")}}}', *bad, "2"]
    text = "\n".join(records) if form is Format.JSONL else f"[{','.join(records)}]"
    (batch,) = parse([text.encode()], ParseOptions(format=form), batch_bytes=100_000)
    assert (batch.count, len(batch.rows), [reject.position.row for reject in batch.rejects]) == (
        len(records), 2, [2][: len(bad)]
    )  # fmt: skip
    place = deeper(500, lambda: batch.position(1))
    assert (place.row, place.raw) == (len(records), "2")
