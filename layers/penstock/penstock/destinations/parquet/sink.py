"""Load the rows of a span into Parquet files, exactly once.

Files are stored while chunks come, and nobody sees them. `complete` is the commit of the span: see `span_files`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from penstock.destinations.parquet.destination import is_file_name
from penstock.destinations.parquet.file_store import FileStore, StoredFile, file_name
from penstock.destinations.parquet.open_files import OpenFiles
from penstock.destinations.parquet.ports import LakeTable, LakeTables
from penstock.destinations.parquet.record_batches import RecordBatches
from penstock.destinations.parquet.span_files import (
    DONE,
    PUBLISHED,
    SpanFile,
    SpanFiles,
    SpanRecord,
    VersionedFiles,
    records_of,
)
from penstock.destinations.plain_sink import PlainSink
from penstock.errors import IncompleteJobError, InvalidTableError, LeaseLostError, PenstockError
from penstock.model.column import Column, Storage
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume, Rows
from penstock.model.load_origin import LoadOrigin
from penstock.model.table import Table, TablePlan

# The span that is a whole source, and whose record tells the end of a job in spans.
WHOLE = 0


class LakeSink(PlainSink):
    """Implements ``TableSink`` for one calling thread.

    ``records`` hold the records of spans. None: there is one attempt only, that of a command; its files become visible
    one after the other at the end.

    Memory: ``limit`` bytes of rows in open files, one batch, and what the file store states.
    """

    commits_chunks = False

    def __init__(
        self,
        tables: LakeTables,
        store: FileStore,
        records: VersionedFiles | None,
        job_id: str,
        span: int = WHOLE,
        *,
        limit: int,
        new_token: Callable[[], str] = lambda: secrets.token_hex(16),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tables = tables
        self._store = store
        self._records = records
        self._job_id = job_id
        self._span = span
        self._token = new_token()
        self._clock = clock
        self._record = SpanRecord(records, job_id, span, self._token) if records else None
        self._files = OpenFiles(self._open_stored, limit, self._renew)
        self._plan: TablePlan | None = None
        self._lake: dict[str, LakeTable] = {}
        self._batches: dict[str, RecordBatches] = {}
        # Tables whose columns have changed since they were opened.
        self._changed: set[str] = set()
        self._ended: Callable[[], bool] = lambda: False
        self._redrives = 0
        self._stale: tuple[str, ...] = ()
        self._before = SpanFiles("")
        self._begun_at = self._reached = Resume()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        try:
            self._files.discard()
        except PenstockError as failed:
            if error is None:
                raise
            error.add_note(f"Removing the unfinished files failed as well: {failed}")
        finally:
            self._store.close()

    def describe(self, origin: LoadOrigin, *, at_once: bool = False) -> None:  # noqa: ARG002  # loads are not reported
        """Note whether a user has restarted the job."""
        self._redrives = origin.redrives

    def hold(self, holder: str, ended: Callable[[], bool] = lambda: False) -> None:  # noqa: ARG002  # records have tokens
        """Complete the span only while the holder has the job."""
        self._ended = ended

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """Return how columns are stored: only values that fit exactly are loaded."""
        return self._tables.storages(plan)

    def begin(self, plan: TablePlan) -> Resume:
        """Take the span over from earlier attempts, which add nothing from here on; or find that it is done.

        Raises IncompleteJobError if files of the span are visible, but its record has expired.
        """
        self._plan = plan
        self._lake.clear()
        for table in plan.tables:
            if table.columns:
                self._table(table)
        if self._record:
            places = tuple(table.place for table in self._lake.values())
            self._before = self._record.take_over(places)
            if not self._before.is_done:
                self._check_visible(places)
                self._stale = self._before.places if self._before.token not in ("", self._token) else ()
        self._begun_at = self._reached = self._before.loaded
        return self._reached

    def load(self, chunk: Chunk) -> Loaded:
        """Write the rows of a chunk. Their values fit: see `storages`."""
        if self._before.is_done:
            if any(rows.count for rows in chunk.rows):
                raise IncompleteJobError(f"span {self._span} of job {self._job_id} has more rows than when it was done")
            return Loaded(0)
        if chunk.records:
            self._sweep()
        for rows in chunk.rows:
            table = self._table(_with_all(rows))
            self._files.add(table, self._batches[table.name].of(rows))
        loaded = Loaded(sum(rows.count for rows in chunk.rows))
        is_first = self._reached == self._begun_at
        self._reached = _behind(chunk, loaded, self._reached)
        if is_first and not chunk.records and self._record:
            # `take_over` of a large job: `finish` must find that the job was not aborted since.
            self._record.write(SpanFiles(self._token, loaded=self._reached, places=self._places()))
        return loaded

    def complete(self) -> None:
        """Make the files of the span visible. Raises LeaseLostError if another attempt has taken the span over."""
        record = self._before
        if not record.is_done:
            record = SpanFiles(self._token, DONE, self._reached, self._finished(), self._places())
            record = replace(record, spec_id=self._spec_id(), written_at=self._clock())
            if self._ended():
                raise LeaseLostError(f"span {self._span} of job {self._job_id} was written after the end of its job")
            if self._record:
                self._commit(self._record, record)
            self._before = record
        self._publish(self._record, record)
        self._files.keep()

    def finish(self, whole: Resume | None = None) -> None:
        """Record the end of a job in spans. Their rows are visible already."""
        if whole is not None and self._record and not self._before.is_done:
            self._before = SpanFiles(self._token, PUBLISHED, whole, is_end=True)
            self._record.write(self._before)

    def ended(self) -> LoadEnd | None:
        """Return what the job has loaded, if its end is recorded. Its files are then visible."""
        record = self._record.find_done() if self._record else None
        if record is None:
            return None
        self._publish(self._record, record)
        return LoadEnd(record.loaded, self.moved())

    def is_finished(self) -> bool:
        """Whether the end of the job is recorded."""
        return self._record is not None and self._record.find_done() is not None

    def has_other_spans(self) -> bool:
        """Whether spans are done; after a restart by a user, also whether files without records are visible."""
        if self._records is None:
            return False
        if any(number != WHOLE and record.is_done for number, record in records_of(self._records, self._job_id)):
            return True
        places = self._places() if self._redrives else ()
        return any(self._store.has_files(place, self._job_id, None) for place in places)

    def reached(self) -> Mapping[int, Resume] | None:
        """Return what each span that is done has loaded."""
        if self._records is None:
            return None
        return {number: record.loaded for number, record in records_of(self._records, self._job_id) if record.is_done}

    def fence(self) -> None:
        """Take over all spans that are not done, so that no attempt at them can complete one."""
        for record, _ in self._all_records():
            record.take_over(())

    def abort(self) -> None:
        """Delete what this attempt has stored. Without `begin`: make the files of spans that are done visible, and
        delete what other attempts have stored. Called after `fence`."""
        self._files.discard()
        if self._plan is not None:
            return
        places: dict[str, None] = {}
        kept = set()
        for record, found in self._all_records():
            if found.is_done:
                record.find_done()
                with suppress(IncompleteJobError):  # a file that is lost already; the job must end nevertheless
                    self._publish(record, found)
                kept |= {file.upload_id for file in found.files}
            places |= dict.fromkeys(found.places)
        for place in places:
            self._store.sweep(place, self._job_id, None, kept)

    def _all_records(self) -> list[tuple[SpanRecord, SpanFiles]]:
        if self._records is None:
            return []
        return [
            (SpanRecord(self._records, self._job_id, number, self._token), found)
            for number, found in records_of(self._records, self._job_id)
        ]

    def _table(self, table: Table) -> LakeTable:
        known = self._lake.get(table.name)
        if known and not known.names.issuperset(column.name for column in table.columns):
            self._change(table.name)
        if not known or table.name in self._changed:  # its columns were not known before
            opened = self._lake[table.name] = self._tables.open(table)
            self._batches[table.name] = RecordBatches(opened.schema)
            self._changed.discard(table.name)
        return self._lake[table.name]

    def _change(self, name: str) -> None:
        """End the files of a table whose columns have changed."""
        self._files.end(name)
        self._changed.add(name)

    def _places(self) -> tuple[str, ...]:
        return tuple(table.place for table in self._lake.values())

    def _spec_id(self) -> int:
        return next((table.spec_id for table in self._lake.values()), 0)

    def _open_stored(self, table: LakeTable, folders: str, number: int) -> StoredFile:
        attempt = self._token if table.is_per_attempt else ""
        name = "" if table.is_file else folders + file_name(self._job_id, self._span, number, attempt)
        return self._store.open(table.place + name, self._job_id, self._token)

    def _finished(self) -> tuple[SpanFile, ...]:
        """End all files. A source without rows gets an empty one, so that its columns can be read."""
        self._check_columns()
        only = next(iter(self._lake.values())) if len(self._lake) == 1 else None
        if only and only.has_empty and not self._reached.rows and self._span == WHOLE:
            self._files.add_empty(only)
        return self._files.finish()

    def _renew(self) -> None:
        """Renew the lease between files. Whether the job has ended counts only at the commit."""
        self._ended()

    def _check_columns(self) -> None:
        """Refuse to leave an earlier file in the place of one that cannot be written."""
        for table in self._plan.tables if self._plan else ():
            if table.name not in self._lake and is_file_name(table.name):
                raise InvalidTableError(
                    f"{table.name}: the source has no column, and a Parquet file needs one",
                    hint="Check that the source is not empty, or write to a folder, in which it gets no file.",
                )

    def _commit(self, mine: SpanRecord, record: SpanFiles) -> None:
        try:
            mine.write(record)
        except LeaseLostError:
            raise
        except BaseException:
            # The record may name these uploads, so that they must stay.
            self._files.keep()
            raise
        self._files.keep()

    def _publish(self, mine: SpanRecord | None, record: SpanFiles) -> None:
        """Make the files of a record visible, and note that."""
        if record.state == PUBLISHED:
            return
        for file in record.files:
            self._renew()
            self._store.publish(file, self._job_id, record.token)
        if mine:
            mine.write(replace(record, state=PUBLISHED))

    def _check_visible(self, places: tuple[str, ...]) -> None:
        if self._redrives and any(self._store.has_files(place, self._job_id, self._span) for place in places):
            raise IncompleteJobError(
                f"files of job {self._job_id} are visible, but the records of its spans have expired",
                hint=f"Delete the files whose names begin with {self._job_id}, and upload the source again.",
            )

    def _sweep(self) -> None:
        """Delete what earlier attempts have stored: not in `begin`, which steps call that write no rows."""
        for place in self._stale:
            self._store.sweep(place, self._job_id, self._span, ())
        self._stale = ()


def _with_all(rows: Rows) -> Table:
    """The table of rows, also with columns of fields that first appear after the sample."""
    known = {column.name for column in rows.table.columns}
    late = [Column(name) for name in rows.names if name not in known]
    return replace(rows.table, columns=(*rows.table.columns, *late)) if late else rows.table


def _behind(chunk: Chunk, loaded: Loaded, before: Resume) -> Resume:
    """Return the position after a chunk, with the counts up to there."""
    return Resume(
        chunk.number + 1,
        chunk.end,
        chunk.next_row,
        before.rows + loaded.rows,
        before.rejects + chunk.rejects + len(loaded.rejects),
        fields=chunk.fields,
        begun=chunk.begun or before.begun,
    )
