"""The values of a backfill: what was found, what is wanted, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from penstock.model.object import Source

# The storage classes that S3 reads only after a restore.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
ARCHIVED_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True)
class FoundObject:
    """The current version of an object. ``modified`` is in Unix seconds; 0 if it is not known.

    ``version_id`` is empty without versioning, and for an object that is older than it. ``archived``: S3 must restore
    the object first. ``position``: where its origin continues after it; empty if the origin must start over.
    """

    bucket: str
    key: str
    size: int
    etag: str
    version_id: str = ""
    modified: float = 0.0
    storage_class: str = "STANDARD"
    archived: bool = False
    position: str = ""

    def source(self, again: str = "") -> Source:
        """Return the source of its event."""
        uploaded = datetime.fromtimestamp(self.modified, UTC).isoformat() if self.modified else ""
        return Source(
            self.bucket, self.key, self.size, self.etag, self.version_id, event_time=uploaded, listed=True, again=again
        )


@dataclass(frozen=True, slots=True)
class Missing:
    """An entry of a file or of an inventory without an object, and why."""

    uri: str
    position: str
    reason: str = "does not exist"


class Skip(StrEnum):
    """Why an object is not sent."""

    FILTERED = "not selected"
    NO_ROUTE = "matches no route"
    MOVED = "was moved after its job"
    ARCHIVED = "must be restored first"
    MISSING = "does not exist"


@dataclass(slots=True)
class BackfillCounts:
    """What became of the objects so far. ``done``: their job is on record. ``failed``: ... and has failed.

    ``archived`` counts objects by storage class.
    """

    sent: int = 0
    done: int = 0
    failed: int = 0
    filtered: int = 0
    no_route: int = 0
    missing: int = 0
    moved: int = 0
    archived: dict[str, int] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """All objects so far."""
        others = self.filtered + self.no_route + self.moved + self.missing + sum(self.archived.values())
        return self.sent + self.done + self.failed + others

    @property
    def chosen(self) -> int:
        """The objects so far that are to be delivered."""
        return self.sent + self.done + self.failed

    def skip(self, reason: Skip, storage_class: str = "") -> None:
        """Count an object that is not sent."""
        match reason:
            case Skip.FILTERED:
                self.filtered += 1
            case Skip.NO_ROUTE:
                self.no_route += 1
            case Skip.MOVED:
                self.moved += 1
            case Skip.MISSING:
                self.missing += 1
            case Skip.ARCHIVED:
                self.archived[storage_class] = self.archived.get(storage_class, 0) + 1


@dataclass(slots=True)
class RouteForecast:
    """The jobs of one route. ``large`` are for the state machine; ``seconds`` and ``large_seconds`` their time."""

    jobs: int = 0
    size: int = 0
    large: int = 0
    seconds: float = 0.0
    large_seconds: float = 0.0
    dollars: float = 0.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a backfill would do, if no object is done already. ``seconds`` follow from the rate and the concurrency.

    ``backlog``: the sender pauses while more messages wait. ``requests`` of the listing, which is read twice.
    """

    routes: Mapping[str, RouteForecast]
    skipped: BackfillCounts
    seconds: float
    dollars: float
    backlog: int
    requests: int
    requests_dollars: float

    @property
    def jobs(self) -> int:
        return sum(route.jobs for route in self.routes.values())

    @property
    def size(self) -> int:
        return sum(route.size for route in self.routes.values())

    @property
    def entries(self) -> int:
        """All objects of the listing."""
        return self.jobs + self.skipped.seen
