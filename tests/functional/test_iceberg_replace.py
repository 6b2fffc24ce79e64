"""What a replacement removes from an Iceberg table: all, or the partitions that it touches, and nothing of others."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, IdentityTransform, MonthTransform
from pyiceberg.types import DateType, LongType, NestedField

from contract.iceberg_backends import IcebergBackend, sqlite_backend
from iceberg_files import write_file
from iceberg_lake import BY_COUNTRY, Fault, FaultyCatalog, Lake
from penstock.errors import InvalidTableError, PublishConflictError, SupersededError
from penstock.model.data_file import DataFile


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> IcebergBackend:
    """A catalog of a file, which is the fastest."""
    return sqlite_backend(tmp_path_factory.mktemp("lake"))


@pytest.fixture
def lake(backend: IcebergBackend) -> Lake:
    """A table by country with a file of each of two countries."""
    lake = Lake(backend, BY_COUNTRY)
    lake.commit("de", lake.file("de", [1], "DE"))
    lake.commit("fr", lake.file("fr", [2], "FR"))
    return lake


def test_only_touched_partitions_are_replaced(lake: Lake) -> None:
    lake.commit("c1", lake.file("a", [3], "FR"), replace=True)
    assert lake.rows() == [1, 3]
    summary = lake.summary()
    assert (summary["deleted-data-files"], summary["deleted-records"], summary["total-data-files"]) == ("1", "1", "2")


def test_other_files_of_a_manifest_stay(lake: Lake) -> None:
    lake.commit("both", lake.file("b1", [4], "DE"), lake.file("b2", [5], "IT"))
    lake.commit("c1", lake.file("a", [6], "IT"), replace=True)
    assert lake.rows() == [1, 2, 4, 6]


def test_null_is_a_partition_too(lake: Lake) -> None:
    def of_null(name: str, ids: Sequence[int]) -> DataFile:
        columns = {"id": ids, "country": [None] * len(ids)}
        return write_file(lake.backend.storage, lake.table, name, columns, partition=[("country", None)])

    lake.commit("n", of_null("n", [7]))
    lake.commit("c1", of_null("a", [8]), replace=True)
    assert lake.rows() == [1, 2, 8]


def test_a_table_without_partitions_is_replaced_whole(backend: IcebergBackend) -> None:
    lake = Lake(backend)
    lake.append_foreign([1])
    lake.commit("c1", lake.file("a", [2]), replace=True)
    assert lake.rows() == [2]


def test_the_whole_of_a_table_with_partitions_can_be_replaced_also_by_nothing(lake: Lake) -> None:
    lake.commit("c1", lake.file("a", [3], "IT"), replace=True, whole=True)
    assert lake.rows() == [3]
    lake.commit("c2", replace=True, whole=True)
    assert lake.rows() == []
    assert lake.summary()["total-records"] == "0"


def test_of_two_replacements_at_once_the_later_one_stays(lake: Lake) -> None:
    other = lake.file("o", [8], "FR")
    between = [lambda: lake.commit("other", other, replace=True)]
    catalog = FaultyCatalog(lake.backend.catalog, between=between)
    lake.commit("c1", lake.file("a", [3], "FR"), replace=True, catalog=catalog)
    assert lake.rows() == [1, 3]


def test_of_two_replacements_of_an_empty_table_at_once_the_later_one_stays(backend: IcebergBackend) -> None:
    lake = Lake(backend)
    other = lake.file("o", [8])
    catalog = FaultyCatalog(backend.catalog, between=[lambda: lake.commit("other", other, replace=True)])
    lake.commit("c1", lake.file("a", [3]), replace=True, catalog=catalog)
    assert lake.rows() == [3]


# What an older replacement has done when a newer one of its series goes in: read the table, or sent a request that
# arrives later, never, or not first.
STEPS: tuple[tuple[Fault | None, ...], ...] = ((None,), ("late",), ("lost before",), ("conflict",))


@pytest.mark.parametrize("faults", STEPS)
def test_an_older_replacement_never_goes_in_on_top_of_a_newer_one(faults: Sequence[Fault | None], lake: Lake) -> None:
    newer, older = lake.file("new", [8], "FR"), lake.file("old", [7], "FR")

    def overtake() -> None:
        lake.commit("new", newer, replace=True, series="s", order="0B")

    first = faults[0] is None
    catalog = FaultyCatalog(lake.backend.catalog, *faults, between=[overtake] if first else [])
    # A request that is lost is repeated: the newer one goes in before that.
    catalog.before_load = [] if first else [lambda: None, overtake]
    with pytest.raises(SupersededError, match="a newer version has replaced the rows"):
        lake.commit("old", older, replace=True, series="s", order="0A", catalog=catalog)
    catalog.deliver()
    assert lake.rows() == [1, 8]
    if faults[0] in (None, "conflict"):  # the manifests of a request without an answer stay
        assert lake.orphans() == {older.uri}
    with pytest.raises(SupersededError):  # another process tries again
        lake.commit("old", older, replace=True, series="s", order="0A", base=lake.bases[0], is_retry=True)


def test_an_older_replacement_whose_answer_was_lost_is_in_before_a_newer_one(lake: Lake) -> None:
    newer, older = lake.file("new", [8], "FR"), lake.file("old", [7], "FR")
    catalog = FaultyCatalog(lake.backend.catalog, "lost after")
    catalog.before_load = [lambda: None, lambda: lake.commit("new", newer, replace=True, series="s", order="0B")]
    assert lake.commit("old", older, replace=True, series="s", order="0A", catalog=catalog).was_in
    assert lake.rows() == [1, 8]


def test_a_newer_replacement_and_one_of_another_series_go_in_on_top(lake: Lake) -> None:
    lake.commit("c1", lake.file("a", [7], "FR"), replace=True, series="s", order="0B")
    lake.append_foreign([9])
    lake.commit("c2", lake.file("b", [8], "DE"), replace=True, series="other", order="0A")
    assert lake.rows() == [7, 8]
    lake.commit("c3", lake.file("c", [10], "FR"), replace=True, series="s", order="0C")
    assert lake.rows() == [8, 10]


def test_what_others_append_in_the_meantime_stays(lake: Lake) -> None:
    catalog = FaultyCatalog(lake.backend.catalog, between=[lambda: lake.append_foreign([9], "FR")])
    lake.commit("c1", lake.file("a", [3], "FR"), replace=True, catalog=catalog)
    assert lake.rows() == [1, 3, 9]


def test_files_that_were_rewritten_in_the_meantime_are_left_to_the_next_attempt(lake: Lake) -> None:
    catalog = FaultyCatalog(lake.backend.catalog, between=[lake.rewrite])
    file = lake.file("a", [3], "FR")
    with pytest.raises(PublishConflictError, match="were rewritten by another writer"):
        lake.commit("c1", file, replace=True, catalog=catalog)
    lake.commit("c1", file, replace=True, base=lake.bases[-1], is_retry=True)
    assert lake.rows() == [1, 3]


def test_deleted_rows_stay_deleted_in_partitions_that_are_not_touched(lake: Lake) -> None:
    lake.commit("de2", lake.file("de2", [10, 11], "DE"))
    lake.foreign().delete("id = 10")
    lake.commit("c1", lake.file("a", [3], "FR"), replace=True)
    assert lake.rows() == [1, 3, 11]


class TestAfterThePartitioningHasChanged:
    """Files of an older partition spec are removed if all their rows are of touched partitions; else they would have to
    be cut, which is refused."""

    SCHEMA = Schema(NestedField(1, "id", LongType()), NestedField(2, "day", DateType()))

    def lake(self, backend: IcebergBackend, old: PartitionSpec | None) -> Lake:
        lake = Lake(backend, old, self.SCHEMA)
        for number, day in enumerate((date(2024, 1, 1), date(2024, 1, 2), date(2024, 2, 1))):
            # pyiceberg writes no days as partitions without another library.
            days = (day - date(1970, 1, 1)).days
            partition = [(one.name, days) for one in lake.table.partition]
            bounds = {"day": (struct.pack("<i", days),) * 2}
            columns: dict[str, list[Any]] = {"id": [number], "day": [day]}
            file = write_file(
                lake.backend.storage, lake.table, str(number), columns, partition=partition, bounds=bounds
            )
            lake.commit(str(number), file)
        return lake

    def replace(self, lake: Lake, partition: tuple[str, Any]) -> None:
        table = lake.table
        file = write_file(
            lake.backend.storage, table, "a", {"id": [9], "day": [date(2024, 1, 5)]}, partition=[partition]
        )
        lake.commit("c1", file, replace=True, spec_id=table.spec_id)

    def test_days_tell_their_month(self, backend: IcebergBackend) -> None:
        lake = self.lake(backend, PartitionSpec(PartitionField(2, 1000, DayTransform(), "day_day")))
        with lake.foreign().update_spec() as change:
            change.remove_field("day_day")
            change.add_field("day", MonthTransform(), "month")
        self.replace(lake, ("month", 648))
        assert lake.rows() == [2, 9]

    def test_so_do_values(self, backend: IcebergBackend) -> None:
        lake = self.lake(backend, PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "day_itself")))
        with lake.foreign().update_spec() as change:
            change.remove_field("day_itself")
            change.add_field("day", MonthTransform(), "month")
        self.replace(lake, ("month", 649))
        assert lake.rows() == [0, 1, 9]

    def test_bounds_of_columns_tell_it_where_there_were_no_partitions(self, backend: IcebergBackend) -> None:
        lake = self.lake(backend, None)
        with lake.foreign().update_spec() as change:
            change.add_field("day", MonthTransform(), "month")
        self.replace(lake, ("month", 648))
        assert lake.rows() == [2, 9]

    def test_files_with_rows_of_several_partitions_are_refused_by_name(self, backend: IcebergBackend) -> None:
        lake = self.lake(backend, None)
        lake.foreign().append(pa.table({"id": [5, 6], "day": [date(2024, 1, 1), date(2024, 2, 2)]}))
        with lake.foreign().update_spec() as change:
            change.add_field("day", MonthTransform(), "month")
        with pytest.raises(InvalidTableError, match="was written under partition spec 0, and may hold rows of"):
            self.replace(lake, ("month", 648))
        assert lake.rows() == [0, 1, 2, 5, 6]
        self.replace(lake, ("month", 700))
        assert lake.rows() == [0, 1, 2, 5, 6, 9]

    def test_files_may_be_added_under_an_older_spec(self, backend: IcebergBackend) -> None:
        lake = self.lake(backend, None)
        file = write_file(lake.backend.storage, lake.table, "a", {"id": [9], "day": [date(2024, 1, 5)]})
        with lake.foreign().update_spec() as change:
            change.add_field("day", MonthTransform(), "month")
        lake.commit("c1", file, spec_id=0)
        assert lake.rows() == [0, 1, 2, 9]

    def test_values_of_another_spec_and_unknown_specs_are_refused_by_name(self, backend: IcebergBackend) -> None:
        lake = self.lake(backend, None)
        file = write_file(lake.backend.storage, lake.table, "a", {"id": [9]}, partition=[("month", 1)])
        with pytest.raises(InvalidTableError, match="has the partition fields month, spec 0 has none"):
            lake.commit("c1", file)
        with pytest.raises(InvalidTableError, match="has no partition spec 7 any more"):
            lake.commit("c1", file, spec_id=7)
