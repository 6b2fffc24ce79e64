"""Commits files to Iceberg tables, exactly once, whatever answers are lost (docs/adr/0033).

Every request is conditional on the metadata that was read: of two attempts of a commit one goes in at most. After each
that did not surely succeed, the table is read again, and its history is searched for the id of the commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from penstock.aws.backoff import Backoff
from penstock.destinations.iceberg.catalog import Catalog, LoadedTable
from penstock.destinations.iceberg.file_io import StorageFileIO
from penstock.destinations.iceberg.finding import CatalogCommitFinder, dropped, find_commit, has_newer
from penstock.destinations.iceberg.metadata import current_snapshot
from penstock.destinations.iceberg.names import TableName
from penstock.destinations.iceberg.ports import Commit, Committed
from penstock.destinations.iceberg.snapshot_builder import SnapshotBuilder
from penstock.destinations.iceberg.storage import Storage
from penstock.errors import (
    AccessDeniedError,
    CommitInDoubtError,
    DestinationMissingError,
    InvalidTableError,
    PenstockError,
    PermanentError,
    PublishConflictError,
    RetryableError,
    SupersededError,
)

# With two or three writers that commit once a second, a try fails every other time.
TRIES = Backoff(attempts=10, base=0.2, cap=5.0)

# S3 Tables removes files that no snapshot has after a day at the earliest; elsewhere somebody may. Older files are
# looked at before they are committed, some at once.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-tables-maintenance.html
CHECK_SECONDS = 12 * 3600.0
LOOKS = 8

# A manifest entry takes 0.5 to 2 KB, and our record of a file about as much as its statistics.
MAX_FILES = 20_000


class IcebergCommitter:
    """Implements ``Committer``. ``deletes``: manifests that no snapshot names are deleted; S3 Tables forbids it.
    ``clock`` returns Unix seconds. Memory: the metadata of the table as JSON, about five times its size; and what
    `SnapshotBuilder` says."""

    def __init__(
        self,
        catalog: Catalog,
        storage: Storage,
        *,
        backoff: Backoff = TRIES,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.time,
        deletes: bool = True,
    ) -> None:
        self._catalog = catalog
        self._storage = storage
        self._io = StorageFileIO(storage)
        self._clock = clock
        self._deletes = deletes
        self._backoff = backoff
        self._sleep = sleep

    def find(self, table: str, commit_id: str, base: int | None) -> int | None:
        return CatalogCommitFinder(self._catalog).find(table, commit_id, base)

    def commit(self, commit: Commit, record_base: Callable[[int | None], None]) -> Committed:
        if len(commit.files) > MAX_FILES or len({file.uri for file in commit.files}) < len(commit.files):
            raise InvalidTableError(
                f"{commit.table}: a commit takes {MAX_FILES:,} files at most, each once; {commit.id} has "
                f"{len(commit.files):,}",
                hint="Load the source in smaller pieces, or into larger files.",
            )
        attempts = _Attempts(self._catalog, self._io, commit, record_base, self._deletes, self._check_files)
        error: RetryableError | None = None
        for number in range(1, self._backoff.attempts + 1):
            try:
                return attempts.make(number)
            except (PublishConflictError, CommitInDoubtError) as failure:
                if attempts.is_lost:
                    raise
                error = failure
            except SupersededError:
                raise
            except PermanentError as failure:
                if attempts.may_arrive and not commit.is_retry:
                    raise CommitInDoubtError(
                        f"{commit.table}: a request of commit {commit.id} may still go in: {failure}", hint=failure.hint
                    ) from failure
                raise
            self._sleep(self._backoff.delay(number))
        if found := attempts.found():
            return Committed(found, tries=self._backoff.attempts)
        attempts.clean_up()
        raise PublishConflictError(
            f"{commit.table}: not committed in {self._backoff.attempts} tries: {error}",
            hint="Other writers were faster, or the catalog did not answer. The job will be retried.",
        ) from error

    def _check_files(self, commit: Commit) -> None:
        """Raise InvalidTableError if files are so old that they may be gone, and one is."""
        if not commit.files or self._clock() < commit.written_at + CHECK_SECONDS:
            return
        with ThreadPoolExecutor(LOOKS, thread_name_prefix="files") as threads:
            is_there = threads.map(self._is_there, (file.uri for file in commit.files))
            gone = [file.uri for file, there in zip(commit.files, is_there, strict=True) if not there]
        if gone:
            raise InvalidTableError(
                f"{commit.table}: {len(gone):,} of {len(commit.files):,} data files of {commit.id} do not exist any "
                f"more, or may not be read: {gone[0]}",
                hint="Something removes files that no snapshot has. In half an hour, redrive the job: it then loads "
                "them again. Or upload the source again.",
            )

    def _is_there(self, uri: str) -> bool:
        try:
            self._storage.size(uri)
        except (DestinationMissingError, AccessDeniedError):  # without the right to list a bucket, S3 says 403
            return False
        return True


@dataclass
class _Attempts:
    """The attempts of one commit.

    ``is_pending``: an earlier attempt may be in, so that its id is searched for before the next one. ``is_lost``: it
    cannot be searched for. ``may_arrive``: a request without an answer may still go in, as long as its base is current.
    """

    catalog: Catalog
    io: StorageFileIO
    commit: Commit
    record_base: Callable[[int | None], None]
    deletes: bool
    check_files: Callable[[Commit], None]
    is_lost: bool = False
    may_arrive: bool = False
    _recorded: bool = False
    # Files of attempts that are not in, and of the last one, which may be.
    _refused: list[str] = field(default_factory=list)
    _suspect: list[str] = field(default_factory=list)
    _builder: SnapshotBuilder | None = None

    def __post_init__(self) -> None:
        self.name = TableName.parse(self.commit.table)
        self.is_pending = self.may_arrive = self.commit.is_retry
        self._base = self.commit.base

    def make(self, number: int) -> Committed:
        """Make one attempt, unless an earlier one is in. Raises PublishConflictError or CommitInDoubtError for one that
        may be repeated."""
        loaded = self._load()
        if self.is_pending and (found := self._search(loaded)) is not None:
            self.clean_up(succeeded=True)
            return Committed(found, was_in=True, tries=max(1, number - 1))
        if self.commit.table_id and self.commit.table_id != loaded.document.get("table-uuid"):
            # Field ids of the new table may be those of other columns.
            raise InvalidTableError(
                f"{self.name} was dropped and created again after the files of {self.commit.id} were written",
                hint="Upload the source again.",
            )
        if self.commit.order and has_newer(loaded.document, self.commit.series, self.commit.order):
            # A late request of this commit is refused, too: its base is older than the newer replacement.
            self.may_arrive = False
            self.clean_up()
            raise SupersededError(f"{self.name}: a newer version has replaced the rows before this one was committed")
        if self._builder is None:
            self.check_files(self.commit)
        builder = self._builder = self._builder or SnapshotBuilder(self.commit, loaded, self.io)
        current = current_snapshot(loaded.document)
        if not self._recorded and not (self.commit.is_retry and current == self._base):
            self.record_base(current)
            self._base = current
        self._recorded = True
        try:
            # Merging takes seconds, in which others commit: it waits for a commit without conflict.
            change = builder.build(loaded, merges=number == 1)
            self.catalog.commit(loaded, change)
        except CommitInDoubtError:
            self.is_pending = self.may_arrive = True
            builder.forget_attempt()
            raise
        except PublishConflictError:
            # A client may have sent a request twice, and met its own change.
            self.is_pending = True
            self._suspect = builder.forget_attempt()
            raise
        self.clean_up(succeeded=True)
        return Committed(builder.snapshot_id, tries=number)

    def found(self) -> int | None:
        """Return the snapshot if the last attempt is in after all."""
        return self._search(self._load())

    def clean_up(self, *, succeeded: bool = False) -> None:
        """Delete the manifests that no snapshot names. If that fails they stay; nobody reads them."""
        files = list(self._refused)
        if self._builder and not succeeded and not self.may_arrive:
            files += [*self._builder.forget_attempt(), *self._builder.manifests.written]
        for file in files if self.deletes else ():
            with suppress(PenstockError):
                self.io.delete(file)
        self._refused.clear()

    def _search(self, loaded: LoadedTable) -> int | None:
        try:
            found = find_commit(str(self.name), loaded.document, self.commit.id, self._base)
        except CommitInDoubtError:
            self.is_lost = True
            raise
        if found is None:
            self._refused += self._suspect
        self._suspect = []
        return found

    def _load(self) -> LoadedTable:
        try:
            loaded = self.catalog.load(self.name, history=True)
        except PenstockError as error:
            if not self.is_pending:
                raise
            self.is_lost = True
            raise CommitInDoubtError(
                f"{self.name}: nobody knows whether commit {self.commit.id} is in: {error}", hint=error.hint
            ) from error
        if loaded is None and self.is_pending:
            self.is_lost = True
            raise dropped(self.name, self.commit.id)
        if loaded is None:
            raise DestinationMissingError(f"the Iceberg table {self.name} does not exist", hint="Create the table.")
        return loaded
