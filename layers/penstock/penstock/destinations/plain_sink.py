"""The sink of a destination without ledger, staging and bookmarks: what it answers where there is nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from penstock.model.column import Storage
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume
from penstock.model.table import TablePlan


class PlainSink:
    """Implements ``TableSink`` but for `begin` and `load`; for one calling thread.

    A load that is repeated begins at the start. A destination replaces the methods for which it can do more.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Nothing is open."""

    def begin(self, plan: TablePlan) -> Resume:
        """Check (or create) the tables. Each destination says how."""
        raise NotImplementedError

    def load(self, chunk: Chunk) -> Loaded:
        """Commit one chunk. Each destination says how."""
        raise NotImplementedError

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        """As `load`, at once."""
        loaded = self.load(chunk)
        return lambda: loaded

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:  # noqa: ARG002  # as TableSink says
        """Columns hold what records have."""
        return {}

    def finish(self, whole: Resume | None = None) -> None:
        """Rows are visible as they are committed."""

    def moved(self) -> Loaded:
        """Rows are where they belong as they are committed."""
        return Loaded(0)

    def moving_seconds(self, size: int) -> float:  # noqa: ARG002  # no row is moved
        """No time."""
        return 0.0

    def ended(self) -> LoadEnd | None:
        """No end is noted."""
        return None

    def is_finished(self) -> bool:
        """There is nothing to commit at the end."""
        return False

    def has_other_spans(self) -> bool:
        """Spans are not counted."""
        return False

    def reached(self) -> Mapping[int, Resume] | None:
        """Only each span itself knows."""
        return None

    def hold(self, holder: str, ended: Callable[[], bool] = lambda: False) -> None:
        """A worker that has lost the job is not stopped."""

    def fence(self) -> None:
        """What is under way is not waited for."""

    def abort(self) -> None:
        """What is committed stays."""
