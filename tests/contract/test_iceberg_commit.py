"""Commits to Iceberg tables, on each kind of catalog, beside another writer."""

from __future__ import annotations

import pytest

from contract.iceberg_backends import IcebergBackend, glue_backend, s3_tables_backend, sqlite_backend
from contract.object_backends import Endpoint
from iceberg_lake import BY_COUNTRY, Fault, FaultyCatalog, Lake
from lengths import long


@pytest.fixture(scope="module", params=["sqlite", "glue", "s3tables"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> IcebergBackend:
    if request.param == "sqlite":
        return sqlite_backend(tmp_path_factory.mktemp("lake"))
    endpoint: Endpoint = request.getfixturevalue("emulator")
    return glue_backend(endpoint) if request.param == "glue" else s3_tables_backend(endpoint)


@pytest.fixture
def lake(backend: IcebergBackend) -> Lake:
    return Lake(backend)


def test_files_become_visible_in_one_snapshot_that_carries_the_id_of_the_commit(lake: Lake) -> None:
    files = [lake.file(str(number), [number]) for number in range(3)]

    done = lake.commit("c1", *files)

    assert lake.rows() == [0, 1, 2]
    assert [snapshot.snapshot_id for snapshot in lake.snapshots()] == [done.snapshot]
    summary = lake.summary()
    assert (summary["penstock.commit-id"], summary["total-records"], summary["added-data-files"]) == ("c1", "3", "3")
    assert lake.bases == [None]


@pytest.mark.long
def test_commits_follow_each_other_and_those_of_another_writer(lake: Lake) -> None:
    lake.commit("c1", lake.file("a", [1]))
    lake.append_foreign([2])
    lake.commit("c2", lake.file("b", [3]))
    lake.append_foreign([4])
    assert lake.rows() == [1, 2, 3, 4]
    assert lake.operations() == ["append"] * 4
    assert lake.summary()["total-records"] == "4"


@pytest.mark.long
def test_a_commit_that_is_in_is_not_made_again(lake: Lake) -> None:
    file = lake.file("a", [1])
    first = lake.commit("c1", file)
    lake.append_foreign([2])
    again = lake.commit("c1", file, base=None, is_retry=True)
    assert (again.snapshot, again.was_in) == (first.snapshot, True)
    assert lake.rows() == [1, 2]


@pytest.mark.parametrize("fault", ["sent twice", *map(long, ("lost before", "lost after", "late", "conflict"))])
def test_rows_are_in_once_whatever_becomes_of_the_first_request(lake: Lake, fault: Fault) -> None:
    lake.commit("c0", lake.file("z", [0]))
    catalog = FaultyCatalog(lake.backend.catalog, fault)
    lake.commit("c1", lake.file("a", [1]), catalog=catalog)
    catalog.deliver()
    assert lake.rows() == [0, 1]
    assert len(lake.snapshots()) == 2


def test_a_commit_goes_on_top_of_what_another_writer_has_committed_in_the_meantime(lake: Lake) -> None:
    between = [lambda: lake.append_foreign([2])]
    catalog = FaultyCatalog(lake.backend.catalog, between=between)
    done = lake.commit("c1", lake.file("a", [1]), catalog=catalog)
    assert (lake.rows(), done.tries) == ([1, 2], 2)


@pytest.mark.long
def test_files_of_the_touched_partitions_are_replaced_in_one_snapshot(backend: IcebergBackend) -> None:
    lake = Lake(backend, BY_COUNTRY)
    lake.append_foreign([1], "DE")
    lake.append_foreign([2], "FR")
    lake.commit("c1", lake.file("a", [3], "DE"), lake.file("b", [4], "IT"), replace=True)
    assert lake.rows() == [2, 3, 4]
    assert lake.operations() == ["append", "append", "overwrite"]
    assert lake.summary()["total-records"] == "3"
