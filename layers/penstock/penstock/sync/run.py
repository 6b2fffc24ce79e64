"""Making a tree equal to another: compare, transfer what differs, delete what is too much."""

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

# So many files for each thread wait their turn: never the whole tree.
_WAITING = 5

# So many files in a row without an answer from the service are the end of a run.
_UNANSWERED = 16


class StepKind(StrEnum):
    """What is done with a file; the words of the aws command."""

    UPLOAD = "upload"
    DOWNLOAD = "download"
    COPY = "copy"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done. ``unproven``: transferred because nothing proves the two equal or different."""

    kind: StepKind
    name: str
    source: str
    destination: str = ""
    size: int = 0
    unproven: bool = False

    @property
    def line(self) -> str:
        """As the aws command prints it."""
        return f"{self.kind}: {self.source}" + (f" to {self.destination}" if self.destination else "")


@dataclass(slots=True)
class Summary:
    """What a run did, or would do.

    ``size``: bytes of all files that were transferred; ``equal``: files left as they are; ``kept``: files that were not
    deleted because some of the source could not be seen.
    """

    counts: Counter[StepKind] = field(default_factory=Counter)
    size: int = 0
    equal: int = 0
    troubles: int = 0
    kept: int = 0


class Observer(Protocol):
    """Is told how it goes; by one thread, but for ``moved``."""

    def planned(self, size: int) -> None:
        """So many bytes will be transferred."""

    def moved(self, size: int) -> None:
        """So many bytes were, by any thread."""

    def done(self, step: Step) -> None: ...

    def failed(self, trouble: SyncError) -> None: ...


class Stopped(Exception):  # noqa: N818  # says what happened, never reaches a user
    """Raised by ``moved`` in the threads of a run that ends early."""


@dataclass(frozen=True)
class Synchronizer:
    """One run. ``threads`` files are compared or transferred at once.

    What concerns one file is trouble and does not stop the others; a full disk, credentials that no longer hold and
    Ctrl-C do, and a service that answers nothing any more. Nothing is deleted before both trees were seen whole, and
    everything only by ``force``. What a file or folder stands in the way of is transferred once that is deleted.
    """

    source: Tree
    destination: Receiver
    kind: StepKind
    comparison: Comparison
    delivery: Transfer
    watcher: Observer
    filters: Filters = field(default_factory=Filters)
    threads: int = 8
    delete: bool = False
    force: bool = False
    dry_run: bool = False

    def run(self) -> Summary:
        """Raises ConfigurationError, EmptySourceError, UnsortedListingError, DiskFullError, ServiceUnavailableError.

        And what a walk raises.
        """
        return _Run(self).all()


class _Run:
    def __init__(self, mirror: Synchronizer) -> None:
        self._mirror = mirror
        self._summary = Summary()
        self._stop = Event()
        self._ancestors = Ancestors()
        self._pending: dict[Future[Step | None], Pair] = {}
        self._surplus: list[File] = []
        self._blocked: list[Pair] = []
        self._deleted = False
        self._seen = False
        self._unanswered = 0
        self._overlooked = False

    def all(self) -> Summary:
        mirror = self._mirror
        with ThreadPoolExecutor(mirror.threads, thread_name_prefix="sync") as threads:
            try:
                for one in pairs(mirror.source.walk(), mirror.destination.walk(), mirror.filters):
                    self._begin(one, threads)
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

    def _begin(self, one: Pair | SyncError, threads: ThreadPoolExecutor) -> None:
        mirror = self._mirror
        if isinstance(one, SyncError):
            self._overlooked = True
            self._failed(one)
            return
        if one.source is None:
            self._surplus += [one.destination] if one.destination and self._deletes(one.name) else []
            return
        self._seen = True
        if reason := self._refusal(one.name):
            self._failed(SyncError(one.name, mirror.source.place(one.name), reason))
            return
        self._submit(one, threads)

    def _deletes(self, name: str) -> bool:
        """A folder's walk passes by what is in the making: that says nothing of an object of such a name."""
        return self._mirror.delete and not (self._mirror.kind is StepKind.UPLOAD and is_temporary(name))

    def _submit(self, pair: Pair, threads: ThreadPoolExecutor) -> None:
        match = self._quickly(pair)
        if match is Match.EQUAL:
            self._summary.equal += 1
            return
        self._pending[threads.submit(self._work, pair, match)] = pair
        if len(self._pending) >= _WAITING * self._mirror.threads:
            self._collect()

    def _quickly(self, pair: Pair) -> Match | None:
        if pair.source is None or pair.destination is None:
            return Match.DIFFERENT
        return self._mirror.comparison.quickly(pair.source, pair.destination)

    def _refusal(self, name: str) -> str:
        if self._mirror.kind is not StepKind.DOWNLOAD:
            return ""
        above = self._ancestors.file_above(name)
        return f"{above!r} is an object too, and cannot be both file and folder" if above else refusal(name)

    def _work(self, pair: Pair, match: Match | None) -> Step | None:
        """In a thread: None if the two are equal after all."""
        mirror, source = self._mirror, pair.source
        if source is None:
            raise TypeError("what has no source is deleted")
        if match is None and pair.destination:
            match = mirror.comparison.fully(source, pair.destination)
        if match is Match.EQUAL:
            return None
        if not mirror.dry_run:
            mirror.watcher.planned(source.size)
            mirror.delivery.deliver(source, pair.name, self._moved)
        return Step(
            mirror.kind,
            pair.name,
            mirror.source.place(pair.name),
            mirror.destination.place(pair.name),
            source.size,
            unproven=match is Match.UNKNOWN,
        )

    def _moved(self, size: int) -> None:
        if self._stop.is_set():
            raise Stopped
        self._mirror.watcher.moved(size)

    def _collect_all(self) -> None:
        while self._pending:
            self._collect()

    def _collect(self) -> None:
        """Take what has ended; waits for one."""
        ended, _ = wait(self._pending, return_when=FIRST_COMPLETED)
        for future in ended:
            pair = self._pending.pop(future)
            try:
                step = future.result()
            except (ConfigurationError, DiskFullError):
                raise
            except NameTakenError as error:
                self._in_the_way(pair, error)
            except PenstockError as error:
                self._unanswered += isinstance(error, ServiceUnavailableError)
                if self._unanswered > _UNANSWERED:
                    raise
                self._failed(SyncError(pair.name, self._mirror.source.place(pair.name), str(error)))
            else:
                self._unanswered = 0
                self._took(step)

    def _in_the_way(self, pair: Pair, error: NameTakenError) -> None:
        """What stands there may be surplus: the file comes when that is deleted."""
        if self._mirror.delete and not self._deleted:
            self._blocked.append(pair)
        else:
            self._failed(SyncError(pair.name, self._mirror.source.place(pair.name), str(error)))

    def _took(self, step: Step | None) -> None:
        if step is None:
            self._summary.equal += 1
            return
        self._summary.size += step.size
        self._done(step)

    def _delete(self) -> None:
        self._deleted = True
        if self._overlooked:
            # What could not be seen must not be taken for gone.
            self._summary.kept = len(self._surplus)
            return
        destination = self._mirror.destination
        if self._surplus and not (self._seen or self._mirror.force or self._mirror.dry_run):
            raise EmptySourceError(
                f"{self._mirror.source.place('')} holds no file, and all {len(self._surplus):,} of "
                f"{destination.place('')} would be deleted",
                count=len(self._surplus),
            )
        gone = self._surplus if self._mirror.dry_run else destination.remove(self._surplus)
        for one in gone:
            if isinstance(one, SyncError):
                self._failed(one)
            else:
                self._done(Step(StepKind.DELETE, one.name, destination.place(one.name)))

    def _done(self, step: Step) -> None:
        self._summary.counts[step.kind] += 1
        self._mirror.watcher.done(step)

    def _failed(self, trouble: SyncError) -> None:
        self._summary.troubles += 1
        self._mirror.watcher.failed(trouble)
