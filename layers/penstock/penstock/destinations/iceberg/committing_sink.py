"""Loads rows into an Iceberg table and commits them at once: for a command, which is the only attempt at its load."""

from __future__ import annotations

from collections.abc import Callable

from penstock.destinations.iceberg.lake import IcebergLake
from penstock.destinations.iceberg.ports import Commit, Committer
from penstock.destinations.iceberg.sink import IcebergSink
from penstock.destinations.parquet.file_store import FileStore
from penstock.errors import CommitInDoubtError, PenstockError, noting
from penstock.model.commit import TABLE
from penstock.model.load import Resume
from penstock.model.table import Mode


def ignore_base(base: int | None) -> None:
    """Record nothing: nobody would read it."""


class CommittingSink(IcebergSink):
    """An `IcebergSink` whose ``finish`` makes one commit of all files. If the commit fails, they are deleted.

    A load that is repeated adds its rows once more: without records, nobody knows of an earlier one.
    """

    def __init__(
        self,
        lake: IcebergLake,
        store: FileStore,
        job_id: str,
        committer: Callable[[], Committer],
        *,
        limit: int,
        delete: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(lake, store, None, job_id, limit=limit, delete=delete)
        self._committer = committer

    def finish(self, whole: Resume | None = None) -> None:  # noqa: ARG002  # the rows are those of this sink
        """Make the files visible. Raises CommitInDoubtError if nobody can tell whether they are; then they stay."""
        (table,) = self._plan.tables if self._plan else ()
        replaces = table.mode is Mode.REPLACE
        whole_table = replaces and (table.replaces or TABLE) == TABLE
        written = self.files()
        files = tuple(file.data for file in written)
        if not files and not whole_table:
            return
        # The token is that of this attempt: a second run of the command is another commit.
        commit = Commit(
            f"{self._job_id}-{self._token}",
            table.name,
            files,
            replace=replaces,
            whole=whole_table,
            spec_id=self._spec_id(),
            table_id=written[0].table_id if written else "",
            written_at=self._before.written_at,
        )
        try:
            self._committer().commit(commit, ignore_base)
        except CommitInDoubtError:
            raise
        except PenstockError as error:
            with noting(error, "the files of the load could not be deleted"):
                for file in files:
                    if self._delete:
                        self._delete(file.uri)
            raise
