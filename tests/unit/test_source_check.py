"""What `penstock check` gathers: distinct values, columns, keys, reasons."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from penstock.model.column import ColumnType
from penstock.model.record import RecordPosition, Reject
from penstock.model.table_limits import ColumnLimits
from penstock.source_check.column_profile import ColumnProfile
from penstock.source_check.distinct_counter import KEPT, DistinctCounter
from penstock.source_check.key_watch import KeyWatch
from penstock.source_check.reject_summary import MOST_REASONS, OTHERS, RejectSummary


def test_few_distinct_values_are_counted_exactly() -> None:
    counter = DistinctCounter()
    for _ in range(3):
        counter.add_texts(f"{n}" for n in range(KEPT))
    assert (counter.count, counter.is_exact) == (KEPT, True)


@pytest.mark.parametrize("text", ["{:06}", "2024-{:08}", "user{}@example.org"])
def test_many_distinct_values_are_estimated(text: str) -> None:
    counter = DistinctCounter()
    for first in range(0, 100_000, 10_000):
        counter.add_texts(text.format(n) for n in range(first, first + 20_000))
    assert not counter.is_exact
    assert abs(counter.count / 110_000 - 1) < 0.07


def test_equal_numbers_are_one() -> None:
    counter = DistinctCounter()
    counter.add_numbers([1, Decimal("1.0"), 1.0, Decimal("1.5")])
    assert counter.count == 2


@pytest.mark.parametrize(
    ("values", "least", "most"),
    [
        (["b", None, "a"], "a", "b"),
        ([Decimal("2.5"), None, Decimal("-1e3")], Decimal("-1e3"), Decimal("2.5")),
        ([float("nan"), 2.0], 2.0, 2.0),
        ([date(2024, 1, 2), None, date(1999, 1, 1)], date(1999, 1, 1), date(2024, 1, 2)),
        ([datetime(2024, 1, 2, tzinfo=UTC), None], datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)),
        ([None, None], None, None),
    ],
)
def test_a_profile_has_the_range_of_a_column(values: list[object], least: object, most: object) -> None:
    profile = ColumnProfile("c", ColumnType.TEXT)
    profile.add(values)
    profile.add([None])
    assert (profile.least, profile.most) == (least, most)
    assert profile.present == len([value for value in values if value is not None])


def test_values_without_an_order_have_no_range() -> None:
    profile = ColumnProfile("c", ColumnType.TEXT)
    profile.add(["a"])
    profile.add([1])
    assert (profile.least, profile.distinct, profile.present) == (None, None, 2)
    json = ColumnProfile("c", ColumnType.JSON)
    json.add([{"a": 1}, None])
    assert (json.distinct, json.present) == (None, 1)


def test_a_key_that_comes_again_is_found_at_its_position() -> None:
    watch = KeyWatch(("a", "b"))
    assert watch.add([(1, "x"), (1, "y"), (None, "x"), (None, "x"), (1, "x")]) == [4]
    assert watch.add([(1, "y")]) == [0]
    assert watch.repeats == 2


def test_reasons_are_counted_without_their_values() -> None:
    log = RejectSummary(1)
    at = RecordPosition(1, 0, "")
    log.write("", "", [Reject(at, f"'it\\'s {n}' is not a date", "day") for n in range(5)])
    log.write("", "", [Reject(at, f"reason {n}") for n in range(MOST_REASONS + 5)])
    assert log.reasons["day", "... is not a date"] == 5
    assert log.reasons[OTHERS] == 6
    assert len(log.first) == 1


@pytest.mark.parametrize(
    ("limits", "value", "refused"),
    [
        (ColumnLimits("text", nullable=False), None, "NOT NULL"),
        (ColumnLimits("character varying(3)", length=3), "abcd", "has 4 characters"),
        (ColumnLimits("character varying(3)", length=3), "abc", ""),
        (ColumnLimits("smallint", least=-(2**15), most=2**15 - 1), 40_000, "smallint"),
        (ColumnLimits("smallint", least=-(2**15), most=2**15 - 1), 4, ""),
        (ColumnLimits("text"), None, ""),
    ],
)
def test_limits_of_a_table_say_what_they_refuse(limits: ColumnLimits, value: object, refused: str) -> None:
    reason = limits.refusal(value)
    assert refused in reason
    assert bool(reason) == bool(refused)
