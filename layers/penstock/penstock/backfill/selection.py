"""Which objects a backfill sends."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from penstock.backfill.model import FoundObject, Skip
from penstock.errors import ConfigurationError
from penstock.model.job import Job
from penstock.routes import NO_STACK, Routes, StackBuckets, destination_of
from penstock.routes.stack_buckets import SOURCE_PARAMETER, remedy


@dataclass(frozen=True, slots=True)
class Selection:
    """What a user chose of the objects in the ``buckets`` of a stack.

    The last modification is from ``since`` on and before ``until``, in Unix seconds; ``names`` are routes, ``patterns``
    of keys are those of a route. ``again`` is the mark of sources that are delivered once more.
    """

    routes: Routes
    since: float | None = None
    until: float | None = None
    names: Collection[str] = ()
    patterns: Sequence[str] = ()
    again: str = ""
    buckets: StackBuckets = NO_STACK

    def __post_init__(self) -> None:
        known = [route.name for route in self.routes.routes]
        if unknown := sorted(set(self.names) - set(known)):
            raise ConfigurationError(f"there is no route {unknown[0]!r}", hint=f"The routes are {', '.join(known)}.")

    def job_of(self, found: FoundObject) -> Job | Skip:
        """Return the job of an object, or why it has none. Raises ConfigurationError for a bucket of no stack.

        The first route that matches takes the object, as for an event: one that the user did not name may take it.
        """
        if self.buckets.lacks_source(found.bucket):
            raise ConfigurationError(
                f"the stack may not read the bucket {found.bucket}", hint=remedy(found.bucket, SOURCE_PARAMETER)
            )
        if not self._is_selected(found):
            return Skip.FILTERED
        source = found.source(self.again)
        route = self.routes.route_of(source)
        if route is None:
            return Skip.MOVED if self.routes.is_moved(source.bucket, source.key) else Skip.NO_ROUTE
        if self.names and route.name not in self.names:
            return Skip.FILTERED
        return Skip.ARCHIVED if found.archived else Job(source, route, destination_of(route, source))

    def _is_selected(self, found: FoundObject) -> bool:
        if self.since is not None and found.modified < self.since:
            return False
        if self.until is not None and found.modified >= self.until:
            return False
        return not self.patterns or any(fnmatchcase(found.key, pattern) for pattern in self.patterns)
