"""Commits to an Iceberg table when requests, answers and processes are lost, and when several write at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import pytest

from contract.iceberg_backends import IcebergBackend, sqlite_backend
from iceberg_lake import SCHEMA, Fault, FaultyCatalog, Lake
from lengths import examples
from penstock.destinations.iceberg.catalog import LoadedTable
from penstock.destinations.iceberg.committer import CHECK_SECONDS, IcebergCommitter
from penstock.destinations.iceberg.names import TableName
from penstock.errors import (
    AccessDeniedError,
    CommitInDoubtError,
    DestinationMissingError,
    InvalidTableError,
    PublishConflictError,
    ServiceUnavailableError,
)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> IcebergBackend:
    """A catalog of a file, which is the fastest."""
    return sqlite_backend(tmp_path_factory.mktemp("lake"))


@pytest.fixture
def lake(backend: IcebergBackend) -> Lake:
    return Lake(backend)


@pytest.mark.parametrize(
    "faults",
    [
        ("late", "conflict"),
        ("conflict", "late", "lost before"),
        ("lost before", "lost before", "lost after"),
        ("late", "late", "sent twice"),
        ("conflict", "conflict", "conflict"),
    ],
)
def test_rows_are_in_once_whatever_becomes_of_several_requests(lake: Lake, faults: Sequence[Fault]) -> None:
    catalog = FaultyCatalog(lake.backend.catalog, *faults)
    lake.commit("c1", lake.file("a", [1]), catalog=catalog)
    catalog.deliver()
    assert lake.rows() == [1]
    assert len(lake.snapshots()) == 1


def test_a_refusal_while_an_earlier_request_may_still_arrive_leaves_the_commit_in_doubt(lake: Lake) -> None:
    catalog = FaultyCatalog(lake.backend.catalog, "late", "refused")
    with pytest.raises(CommitInDoubtError, match="may still go in"):
        lake.commit("c1", lake.file("a", [1]), catalog=catalog)
    assert lake.rows() == [1]
    with pytest.raises(AccessDeniedError):
        lake.commit("c2", lake.file("b", [2]), catalog=FaultyCatalog(lake.backend.catalog, "refused"))


def test_files_that_may_be_gone_are_looked_at_before_they_are_committed(lake: Lake) -> None:
    there, gone = lake.file("a", [1]), lake.file("b", [2])
    lake.backend.storage.delete(gone.uri)
    old = time.time() - CHECK_SECONDS
    with pytest.raises(InvalidTableError, match="1 of 2 data files of c1 do not exist any more"):
        lake.commit("c1", there, gone, written_at=old)
    assert (lake.bases, lake.snapshots()) == ([], [])
    lake.commit("c2", there, written_at=old)
    assert lake.rows() == [1]
    lake.commit("c3", gone, written_at=old + 60)  # too young to be removed: no request is spent on it
    assert len(lake.snapshots()) == 2


def test_a_refused_attempt_leaves_no_file_behind(lake: Lake) -> None:
    lake.append_foreign([0])
    between = [lambda: lake.append_foreign([8]), lambda: lake.append_foreign([9])]
    catalog = FaultyCatalog(lake.backend.catalog, between=between)
    lake.commit("c1", lake.file("a", [1]), catalog=catalog)
    assert lake.rows() == [0, 1, 8, 9]
    assert lake.orphans() == set()


def test_other_writers_that_are_always_faster_make_it_retryable_and_leave_nothing(lake: Lake) -> None:
    catalog = FaultyCatalog(lake.backend.catalog, between=repeat(lambda: lake.append_foreign([9])))
    file = lake.file("a", [1])
    with pytest.raises(PublishConflictError, match="not committed in 4 tries"):
        lake.commit("c1", file, catalog=catalog)
    assert lake.rows() == [9] * 4
    assert lake.orphans() == {file.uri}


def test_the_base_is_recorded_before_the_first_request(lake: Lake) -> None:
    lake.append_foreign([0])
    [first] = lake.snapshots()
    catalog = FaultyCatalog(lake.backend.catalog, between=[lambda: lake.bases.append(-1)])
    lake.commit("c1", lake.file("a", [1]), catalog=catalog)
    assert lake.bases == [first.snapshot_id, -1]


def test_nothing_is_sent_if_the_base_cannot_be_recorded(lake: Lake) -> None:
    def fail(_: int | None) -> None:
        raise ServiceUnavailableError("injected")

    catalog = FaultyCatalog(lake.backend.catalog)
    committer = IcebergCommitter(catalog, lake.backend.storage)
    with pytest.raises(ServiceUnavailableError):
        committer.commit(lake.request("c1", lake.file("a", [1])), fail)
    assert catalog.commits == 0


def test_a_process_that_dies_after_its_request_is_followed_by_one_that_finds_the_commit(lake: Lake) -> None:
    lake.append_foreign([0])
    base = lake.snapshots()[-1].snapshot_id
    file = lake.file("a", [1])
    with pytest.raises(KeyboardInterrupt):
        lake.commit("c1", file, catalog=_Dying(lake.backend.catalog))
    lake.append_foreign([2])
    again = lake.commit("c1", file, base=base, is_retry=True)
    assert (again.was_in, lake.rows(), lake.bases) == (True, [0, 1, 2], [base])


class _Dying(FaultyCatalog):
    def commit(self, base: LoadedTable, change: Any) -> None:
        super().commit(base, change)
        raise KeyboardInterrupt


def test_a_retry_that_finds_nothing_commits_on_top_and_records_a_base_that_has_moved(lake: Lake) -> None:
    lake.append_foreign([0])
    base = lake.snapshots()[-1].snapshot_id
    file = lake.file("a", [1])
    lake.append_foreign([2])
    done = lake.commit("c1", file, base=base, is_retry=True)
    assert (done.was_in, lake.rows()) == (False, [0, 1, 2])
    assert lake.bases == [lake.snapshots()[1].snapshot_id]


def test_a_retry_on_the_same_base_records_it_no_more(lake: Lake) -> None:
    lake.commit("c1", lake.file("a", [1]), base=None, is_retry=True)
    assert lake.bases == []


def test_a_commit_that_was_rolled_back_counts_as_in(lake: Lake) -> None:
    lake.append_foreign([0])
    base = lake.snapshots()[-1].snapshot_id
    file = lake.file("a", [1])
    first = lake.commit("c1", file)
    lake.foreign().manage_snapshots().rollback_to_snapshot(base).commit()
    again = lake.commit("c1", file, base=base, is_retry=True)
    assert (again.snapshot, again.was_in, lake.rows()) == (first.snapshot, True, [0])


@pytest.mark.parametrize("base_stays", [False, True])
def test_a_base_that_has_expired_leaves_the_commit_in_doubt(lake: Lake, *, base_stays: bool) -> None:
    for number in range(3):
        lake.append_foreign([number])
    snapshots = [each.snapshot_id for each in lake.snapshots()]
    lake.foreign().maintenance.expire_snapshots().by_id(snapshots[1 if base_stays else 0]).commit()
    file = lake.file("a", [9])
    with pytest.raises(CommitInDoubtError, match="nobody knows whether commit c1 is in"):
        lake.commit("c1", file, base=snapshots[0], is_retry=True)
    with pytest.raises(CommitInDoubtError):
        lake.find("c1", snapshots[0])
    assert lake.rows() == [0, 1, 2]


def test_find_proves_that_a_commit_is_in_or_not(lake: Lake) -> None:
    assert lake.find("c1", None) is None
    lake.append_foreign([0])
    base = lake.snapshots()[-1].snapshot_id
    done = lake.commit("c1", lake.file("a", [1]))
    lake.append_foreign([2])
    assert lake.find("c1", base) == done.snapshot == lake.find("c1", None)
    assert lake.find("c2", base) is None is lake.find("c2", None)


def test_a_table_that_cannot_be_read_after_a_lost_answer_leaves_the_commit_in_doubt(lake: Lake) -> None:
    class Unreadable(FaultyCatalog):
        def load(self, name: TableName, *, history: bool = False) -> LoadedTable | None:
            if self.commits:
                raise ServiceUnavailableError("injected")
            return super().load(name, history=history)

    with pytest.raises(CommitInDoubtError, match="injected"):
        lake.commit("c1", lake.file("a", [1]), catalog=Unreadable(lake.backend.catalog, "lost after"))
    assert lake.rows() == [1]


def test_a_table_that_does_not_exist_is_named(lake: Lake) -> None:
    file = lake.file("a", [1])
    lake.backend.foreign.drop_table(lake.name)
    with pytest.raises(DestinationMissingError, match=f"the Iceberg table {lake.name} does not exist"):
        lake.commit("c1", file)
    with pytest.raises(CommitInDoubtError, match="does not exist any more"):
        lake.commit("c1", file, is_retry=True)
    with pytest.raises(CommitInDoubtError, match="does not exist any more"):
        lake.find("c1", None)


def test_files_of_a_table_that_was_dropped_and_created_again_are_refused(lake: Lake) -> None:
    """Field ids of the new table may be those of other columns."""
    before = lake.table.id
    lake.commit("c1", lake.file("a", [1]), table_id=before)
    file = lake.file("b", [2])
    lake.backend.foreign.drop_table(lake.name)
    lake.backend.foreign.create_table(lake.name, SCHEMA)
    with pytest.raises(InvalidTableError, match=f"{lake.name} was dropped and created again") as caught:
        lake.commit("c2", file, table_id=before)
    assert caught.value.hint == "Upload the source again."
    assert lake.rows() == []


def test_committers_at_once_all_get_in(lake: Lake) -> None:
    writers, each = 3, max(2, examples(5) // 5)
    files = [
        [lake.file(f"{writer}-{number}", [10 * writer + number]) for number in range(each)] for writer in range(writers)
    ]

    def commit(writer: int) -> None:
        for number, file in enumerate(files[writer]):
            lake.commit(f"c{writer}-{number}", file, tries=30)

    with ThreadPoolExecutor(writers) as threads:
        list(threads.map(commit, range(writers)))
    assert lake.rows() == [10 * writer + number for writer in range(writers) for number in range(each)]
    assert len(lake.snapshots()) == writers * each


def test_two_attempts_of_the_same_commit_at_once_make_one_snapshot(lake: Lake) -> None:
    file = lake.file("a", [1])
    inner = FaultyCatalog(lake.backend.catalog)
    outer = [lambda: lake.commit("c1", file, catalog=inner, is_retry=True)]
    done = lake.commit("c1", file, catalog=FaultyCatalog(lake.backend.catalog, between=outer))
    assert (done.was_in, lake.rows(), len(lake.snapshots())) == (True, [1], 1)


def test_a_commit_without_files_is_a_snapshot_too(lake: Lake) -> None:
    lake.append_foreign([0])
    done = lake.commit("c1")
    assert lake.find("c1", None) == done.snapshot
    assert lake.rows() == [0]


def test_a_file_is_in_a_commit_once(lake: Lake) -> None:
    file = lake.file("a", [1])
    with pytest.raises(InvalidTableError, match="each once"):
        lake.commit("c1", file, file)


def test_the_log_of_metadata_files_is_kept_as_long_as_the_table_says(lake: Lake) -> None:
    lake.foreign().transaction().set_properties({"write.metadata.previous-versions-max": "2"}).commit_transaction()
    for number in range(4):
        lake.commit(f"c{number}", lake.file(str(number), [number]))
    assert len(lake.foreign().metadata.metadata_log) == 2


def test_retention_of_the_main_branch_is_kept(lake: Lake) -> None:
    lake.append_foreign([0])
    table = lake.foreign()
    with table.transaction() as change:
        change._stage(*change._set_ref_snapshot(table.snapshots()[-1].snapshot_id, "main", "branch", 2000, 1000, 5))
    before = lake.foreign().metadata.refs["main"]
    lake.commit("c1", lake.file("a", [1]))
    after = lake.foreign().metadata.refs["main"]
    assert after.model_dump(exclude={"snapshot_id"}) == before.model_dump(exclude={"snapshot_id"})
    assert after.max_ref_age_ms
