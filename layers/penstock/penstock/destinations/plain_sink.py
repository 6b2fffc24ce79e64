"""The base of a sink without ledger, staging or bookmarks: the methods that have nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from penstock.errors import ConfigurationError
from penstock.model.column import Column, Storage
from penstock.model.column_change import ColumnChange
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume
from penstock.model.load_origin import LoadOrigin
from penstock.model.replacement import Replacement
from penstock.model.table import Table, TablePlan


class PlainSink:
    """Implements ``TableSink`` except `begin` and `load`, for one calling thread.

    A repeated load starts from the beginning. A destination overrides the methods for which it can do more.
    """

    commits_chunks = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close nothing."""

    def join(self, replacement: Replacement, member: tuple[int, ...]) -> None:
        """Raises ConfigurationError: nothing is staged."""
        raise ConfigurationError(f"member {member} cannot be staged for {replacement.table}: no table is replaced")

    def describe(self, origin: LoadOrigin, *, at_once: bool = False) -> None:
        """Do nothing: loads are not reported."""

    def record_end(self, state: str, failure: str = "") -> None:
        """Do nothing: loads are not reported."""

    def evolve(self, plan: TablePlan, table: Table, columns: Sequence[Column]) -> Mapping[str, str]:  # noqa: ARG002
        """Raises ConfigurationError: the destination has no columns to change."""
        raise ConfigurationError(f"{table.name}: the destination cannot change the columns of a table")

    def changes(self) -> tuple[ColumnChange, ...]:
        """None: nothing is changed."""
        return ()

    def begin(self, plan: TablePlan) -> Resume:
        """Check or create the tables. Override this method."""
        raise NotImplementedError

    def load(self, chunk: Chunk) -> Loaded:
        """Commit one chunk. Override this method."""
        raise NotImplementedError

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        """Load at once."""
        loaded = self.load(chunk)
        return lambda: loaded

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:  # noqa: ARG002  # as TableSink says
        """No table is looked at."""
        return {}

    def complete(self) -> None:
        """Do nothing: every chunk is kept when it is loaded."""

    def finish(self, whole: Resume | None = None) -> None:
        """Do nothing: rows are visible as soon as they are committed."""

    def moved(self) -> Loaded:
        """Nothing is staged, so nothing is moved."""
        return Loaded(0)

    def moving_seconds(self, size: int) -> float:  # noqa: ARG002  # no row is moved
        """No time: nothing is moved."""
        return 0.0

    def ended(self) -> LoadEnd | None:
        """None: no end is recorded."""
        return None

    def is_finished(self) -> bool:
        """False: `finish` commits nothing."""
        return False

    def has_other_spans(self) -> bool:
        """False: there is no ledger of spans."""
        return False

    def reached(self) -> Mapping[int, Resume] | None:
        """None: there is no ledger of spans."""
        return None

    def hold(self, holder: str, ended: Callable[[], bool] = lambda: False) -> None:
        """Do nothing: a worker that has lost the job is not stopped."""

    def fence(self) -> None:
        """Do nothing: requests under way are not waited for."""

    def abort(self) -> None:
        """Do nothing: committed rows stay."""
