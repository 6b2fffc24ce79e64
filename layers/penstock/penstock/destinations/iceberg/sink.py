"""Load the rows of a span into data files of Iceberg tables. A commit makes them visible: see `jobs.commit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from penstock.destinations.iceberg.lake import IcebergLake
from penstock.destinations.parquet.file_store import FileStore
from penstock.destinations.parquet.sink import WHOLE, LakeSink
from penstock.destinations.parquet.span_files import OPEN, SpanFile, SpanFiles, SpanRecord, VersionedFiles, records_of
from penstock.model.column import Column, Storage
from penstock.model.load import LoadEnd, Resume
from penstock.model.table import Table, TablePlan


class IcebergSink(LakeSink):
    """Implements ``TableSink``: a `LakeSink` whose files are those of tables.

    ``complete`` stores the data files of the span, which no reader sees before the commit. ``delete`` deletes a file;
    None: the catalog removes unreferenced files itself.
    """

    def __init__(
        self,
        lake: IcebergLake,
        store: FileStore,
        records: VersionedFiles | None,
        job_id: str,
        span: int = WHOLE,
        *,
        limit: int,
        delete: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(lake, store, records, job_id, span, limit=limit)
        self._iceberg = lake
        self._delete = delete

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """Return how columns are stored, once they are as wide as the route declares, with ``evolve = "widen"``."""
        for table in plan.tables:
            self._iceberg.widen(table)
        return super().storages(plan)

    def evolve(self, plan: TablePlan, table: Table, columns: Sequence[Column]) -> Mapping[str, str]:  # noqa: ARG002
        """Add the columns, and widen others to these types. Return those that cannot be added, with the reasons.

        Rows that follow go into other files than those before.
        """
        refused = self._iceberg.evolve(replace(table, columns=tuple(columns)))
        self._change(table.name)
        return refused

    def ended(self) -> LoadEnd | None:
        """Return what the job has loaded, if ``finish`` has recorded that after the commit."""
        record = self._record.find_done() if self._record else None
        return LoadEnd(record.loaded, self.moved(), self.changes()) if record and record.is_end else None

    def is_finished(self) -> bool:
        """Whether the end of the job is recorded."""
        return self.ended() is not None

    def files(self) -> tuple[SpanFile, ...]:
        """Return the files of all spans that are done, in their order. They are complete."""
        if self._records is None:
            return self._before.files
        records = records_of(self._records, self._job_id)
        return tuple(file for _, record in records if record.is_done for file in record.files)

    def abort(self) -> None:
        """Delete what this attempt has stored. Without `begin`: all files of the job, of which none may be committed.

        Called after `fence`. The records are opened before, so that a redrive loads all spans again, into other files.
        """
        self._files.discard()
        if self._plan is not None:
            return
        places: dict[str, None] = {}
        for record, found in self._all_records():
            if found.is_end:
                continue
            places |= dict.fromkeys(found.places)
            self._delete_files(record, found)
        for place in places:
            self._store.sweep(place, self._job_id, None, ())

    def _delete_files(self, record: SpanRecord, found: SpanFiles) -> None:
        """Open the record of a span again, and delete its files. It names them until they are deleted."""
        # `take_over` of a large job has left its mark in a record without files.
        loaded = Resume() if found.is_done else found.loaded
        opened = SpanFiles(self._token, OPEN, loaded, found.files, found.places)
        if found.is_done and record.find_done():
            record.write(opened)
        else:
            record.take_over(())
        for file in found.files:
            self._store.discard(file)
            if self._delete:
                self._delete(file.data.uri)
        if found.files:
            record.write(replace(opened, files=()))
