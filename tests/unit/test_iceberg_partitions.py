"""Partition values and folders are those that pyiceberg computes, and unsupported transforms are refused by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    MonthTransform,
    TruncateTransform,
    YearTransform,
)
from pyiceberg.types import DateType, DecimalType, IcebergType, LongType, StringType, TimestamptzType

from penstock.destinations.iceberg.partitions import bucket, partitions_of, truncated
from penstock.destinations.iceberg.ports import IcebergField, IcebergTable, PartitionField
from penstock.destinations.parquet.partitions import Partition
from penstock.errors import InvalidTableError

VALUES: list[tuple[IcebergType, list[Any]]] = [
    (LongType(), [0, 1, -1, 34, 2**62, -(2**63) + 2]),
    (StringType(), ["", "iceberg", "näme", "日本語", "a" * 99]),
    (DecimalType(9, 2), [Decimal("14.20"), Decimal("-14.20"), Decimal("0.00"), Decimal("-1.28"), Decimal("327.68")]),
    (DateType(), [0, 17486, -1]),
    (TimestamptzType(), [0, 1510871468000000, -1]),
]


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=[str(kind) for kind, _ in VALUES])
def test_buckets_and_truncated_values_are_those_of_the_spec(kind: IcebergType, values: list[Any]) -> None:
    theirs = BucketTransform(16).transform(kind)
    assert [bucket(value, 16) for value in values] == [theirs(value) for value in values]
    if TruncateTransform(3).can_transform(kind):
        cut = TruncateTransform(3).transform(kind)
        assert [str(truncated(value, 3)) for value in values] == [str(cut(value)) for value in values]


TIMES: dict[str, Any] = {
    "year": YearTransform(),
    "month": MonthTransform(),
    "day": DayTransform(),
    "hour": HourTransform(),
}


@pytest.mark.parametrize("name", TIMES)
def test_times_have_the_values_and_folders_of_iceberg(name: str) -> None:
    transform = TIMES[name]
    mine = Partition("at", "at", name)
    for kind, values in ((DateType(), [0, 19724, -1, -800]), (TimestamptzType(), [0, 1704207600000000, -1, -(10**15)])):
        if not transform.can_transform(kind):
            continue
        found = list(mine.apply(values, is_date=isinstance(kind, DateType)))
        assert found == [transform.transform(kind)(value) for value in values]
        shown = [mine.text(value, None) for value in found]
        assert shown == [transform.to_human_string(kind, value) for value in found]


def table(transform: str, kind: str) -> IcebergTable:
    fields = (IcebergField(1, "c", kind),)
    return IcebergTable("a.b", "s3://l", "s3://l/data", fields, partition=(PartitionField("p", 1, transform),))


@pytest.mark.parametrize(
    ("transform", "kind"), [("bucket[4]", "double"), ("truncate[2]", "date"), ("identity", "uuid"), ("zorder", "long")]
)
def test_a_transform_that_is_not_supported_is_named(transform: str, kind: str) -> None:
    with pytest.raises(InvalidTableError, match=rf"partition field 'p' is {transform[:4]}.* of 'c' \({kind}\)"):
        partitions_of(table(transform, kind))


def test_a_void_field_is_always_null() -> None:
    [void] = partitions_of(table("void", "long"))
    assert (list(void.apply([1, None], is_date=False)), void.text(None, None)) == (
        [None, None],
        "__HIVE_DEFAULT_PARTITION__",
    )


@pytest.mark.parametrize(("kind", "least"), [("int", -(2**31)), ("long", -(2**63))])
def test_an_integer_that_is_truncated_below_its_type_is_refused(kind: str, least: int) -> None:
    with pytest.raises(InvalidTableError, match=rf"truncate\[10\] of {least} is no {kind}"):
        truncated(least, 10, kind)
