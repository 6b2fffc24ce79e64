"""Make a tree equal to another: compare files, transfer those that differ, delete those that the source lacks."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event
from typing import Protocol

from penstock.errors import (
    ConfigurationError,
    DiskFullError,
    EmptySourceError,
    NameTakenError,
    PenstockError,
    ServiceUnavailableError,
)
from penstock.files.temporary_names import is_temporary
from penstock.sync.compare import Comparison, Match
from penstock.sync.filters import Filters
from penstock.sync.model import File, SyncError
from penstock.sync.names import Ancestors, refusal
from penstock.sync.plan import Pair, pairs
from penstock.sync.ports import Receiver, Tree
from penstock.sync.transfers import Transfer

# Files that wait for each thread. It bounds the memory for large trees.
_PENDING_PER_THREAD = 5

# The run ends if the service does not answer for more files in a row than this.
_MAX_UNANSWERED = 16


class StepKind(StrEnum):
    """What is done with a file, in the words of the aws command."""

    UPLOAD = "upload"
    DOWNLOAD = "download"
    COPY = "copy"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Step:
    """One action on a file. ``unproven``: transferred because nothing proves whether the contents are equal."""

    kind: StepKind
    name: str
    source: str
    destination: str = ""
    size: int = 0
    unproven: bool = False

    @property
    def line(self) -> str:
        """The line that the aws command prints."""
        return f"{self.kind}: {self.source}" + (f" to {self.destination}" if self.destination else "")


@dataclass(slots=True)
class Summary:
    """What a run did, or what a dry run would do.

    ``size``: bytes of all transferred files; ``equal``: unchanged files; ``troubles``: errors; ``kept``: files that
    were not deleted because some files or folders could not be read.
    """

    counts: Counter[StepKind] = field(default_factory=Counter)
    size: int = 0
    equal: int = 0
    troubles: int = 0
    kept: int = 0


class Observer(Protocol):
    """Follows a run. One thread calls ``done`` and ``failed``; any thread calls ``planned`` and ``moved``."""

    def planned(self, size: int) -> None:
        """Called with the number of bytes that will be transferred."""

    def moved(self, size: int) -> None:
        """Called with the number of bytes transferred; negative when bytes must be transferred again."""

    def done(self, step: Step) -> None: ...

    def failed(self, error: SyncError) -> None: ...


class Stopped(Exception):  # noqa: N818  # control flow, never shown to a user
    """Raised by ``moved`` in the threads of a run that ends early."""


@dataclass(frozen=True)
class Synchronizer:
    """One run. ``threads`` files are compared or transferred at once.

    An error of one file does not stop the others. A full disk, expired credentials, Ctrl-C and a service that no longer
    answers stop the run. Nothing is deleted before both trees are read completely; only ``force`` deletes everything. A
    file whose path is blocked by another file or folder is transferred once that is deleted.
    """

    source: Tree
    destination: Receiver
    kind: StepKind
    comparison: Comparison
    delivery: Transfer
    observer: Observer
    filters: Filters = field(default_factory=Filters)
    threads: int = 8
    delete: bool = False
    force: bool = False
    dry_run: bool = False

    def run(self) -> Summary:
        """Raises ConfigurationError, EmptySourceError, UnsortedListingError, DiskFullError, ServiceUnavailableError.

        Also raises the errors of a walk.
        """
        return _Run(self).all()


class _Run:
    def __init__(self, synchronizer: Synchronizer) -> None:
        self._sync = synchronizer
        self._summary = Summary()
        self._stop = Event()
        self._ancestors = Ancestors()
        self._pending: dict[Future[Step | None], Pair] = {}
        self._surplus: list[File] = []
        self._blocked: list[Pair] = []
        self._deleted = False
        self._seen = False
        self._unanswered = 0
        self._incomplete = False

    def all(self) -> Summary:
        sync = self._sync
        with ThreadPoolExecutor(sync.threads, thread_name_prefix="sync") as threads:
            try:
                for pair in pairs(sync.source.walk(), sync.destination.walk(), sync.filters):
                    self._begin(pair, threads)
                self._collect_all()
                self._delete()
                for pair in self._blocked:
                    self._submit(pair, threads)
                self._collect_all()
            except BaseException:
                self._stop.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return self._summary

    def _begin(self, pair: Pair | SyncError, threads: ThreadPoolExecutor) -> None:
        sync = self._sync
        if isinstance(pair, SyncError):
            self._incomplete = True
            self._failed(pair)
            return
        if pair.source is None:
            self._surplus += [pair.destination] if pair.destination and self._deletes(pair.name) else []
            return
        self._seen = True
        if reason := self._refusal(pair.name):
            self._failed(SyncError(pair.name, sync.source.location(pair.name), reason))
            return
        self._submit(pair, threads)

    def _deletes(self, name: str) -> bool:
        """Whether to delete a name. Local walks skip temporary names, so an upload keeps objects of such names."""
        return self._sync.delete and not (self._sync.kind is StepKind.UPLOAD and is_temporary(name))

    def _submit(self, pair: Pair, threads: ThreadPoolExecutor) -> None:
        match = self._quickly(pair)
        if match is Match.EQUAL:
            self._summary.equal += 1
            return
        self._pending[threads.submit(self._work, pair, match)] = pair
        if len(self._pending) >= _PENDING_PER_THREAD * self._sync.threads:
            self._collect()

    def _quickly(self, pair: Pair) -> Match | None:
        if pair.source is None or pair.destination is None:
            return Match.DIFFERENT
        return self._sync.comparison.quickly(pair.source, pair.destination)

    def _refusal(self, name: str) -> str:
        if self._sync.kind is not StepKind.DOWNLOAD:
            return ""
        above = self._ancestors.file_above(name)
        return f"{above!r} is also an object, and cannot be both a file and a folder" if above else refusal(name)

    def _work(self, pair: Pair, match: Match | None) -> Step | None:
        """Compare and transfer, in a thread; None if the files are equal."""
        sync, source = self._sync, pair.source
        if source is None:
            raise TypeError("expected a pair with a source")
        if match is None and pair.destination:
            match = sync.comparison.fully(source, pair.destination)
        if match is Match.EQUAL:
            return None
        if not sync.dry_run:
            sync.observer.planned(source.size)
            sync.delivery.deliver(source, pair.name, self._moved)
        return Step(
            sync.kind,
            pair.name,
            sync.source.location(pair.name),
            sync.destination.location(pair.name),
            source.size,
            unproven=match is Match.UNKNOWN,
        )

    def _moved(self, size: int) -> None:
        if self._stop.is_set():
            raise Stopped
        self._sync.observer.moved(size)

    def _collect_all(self) -> None:
        while self._pending:
            self._collect()

    def _collect(self) -> None:
        """Wait for a transfer to end, and process all that have ended."""
        ended, _ = wait(self._pending, return_when=FIRST_COMPLETED)
        for future in ended:
            pair = self._pending.pop(future)
            try:
                step = future.result()
            except (ConfigurationError, DiskFullError):
                raise
            except NameTakenError as error:
                self._name_taken(pair, error)
            except PenstockError as error:
                self._unanswered += isinstance(error, ServiceUnavailableError)
                if self._unanswered > _MAX_UNANSWERED:
                    raise
                self._failed(SyncError(pair.name, self._sync.source.location(pair.name), str(error)))
            else:
                self._unanswered = 0
                self._transferred(step)

    def _name_taken(self, pair: Pair, error: NameTakenError) -> None:
        """Retry after the deletion, which may remove what blocks the path."""
        if self._sync.delete and not self._deleted:
            self._blocked.append(pair)
        else:
            self._failed(SyncError(pair.name, self._sync.source.location(pair.name), str(error)))

    def _transferred(self, step: Step | None) -> None:
        if step is None:
            self._summary.equal += 1
            return
        self._summary.size += step.size
        self._done(step)

    def _delete(self) -> None:
        self._deleted = True
        if self._incomplete:
            # A file that could not be read is not missing.
            self._summary.kept = len(self._surplus)
            return
        destination = self._sync.destination
        if self._surplus and not (self._seen or self._sync.force or self._sync.dry_run):
            raise EmptySourceError(
                f"{self._sync.source.location('')} holds no file, so all {len(self._surplus):,} files of "
                f"{destination.location('')} would be deleted",
                count=len(self._surplus),
            )
        removed = self._surplus if self._sync.dry_run else destination.remove(self._surplus)
        for file in removed:
            if isinstance(file, SyncError):
                self._failed(file)
            else:
                self._done(Step(StepKind.DELETE, file.name, destination.location(file.name)))

    def _done(self, step: Step) -> None:
        self._summary.counts[step.kind] += 1
        self._sync.observer.done(step)

    def _failed(self, error: SyncError) -> None:
        self._summary.troubles += 1
        self._sync.observer.failed(error)
