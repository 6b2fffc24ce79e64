"""The pipeline without Lambda: sources from elsewhere than S3, and who decides what is in already.

A run is one attempt at a job by the very carriers of the functions, without a jobs table and without a deadline.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from penstock.delivery.ports import ObjectStore
from penstock.destinations.ports import BucketSink, PublishRule, Verdict, ignore_upload
from penstock.limits import S3
from penstock.model.identity import digest, identity
from penstock.model.job import Job
from penstock.model.load import Resume
from penstock.model.object import Content, ObjectHead, Source, Target
from penstock.model.source import ByteSource
from penstock.model.table import Mode, TablePlan
from penstock.tables import tables_of

# The size of a source that does not say it: no ratio can be checked, only ``max_bytes``.
UNKNOWN = S3.max_object


@dataclass(frozen=True, slots=True)
class ExternalSource(Source):
    """What is no object of S3: a file, standard input, what a URI names. Its ``etag`` is empty where nothing tells two
    versions of it apart. ``place`` tells it from all others, ``shown`` is its name for people."""

    place: str = ""
    shown: str = ""

    @property
    def uri(self) -> str:
        return self.shown

    @property
    def identity(self) -> tuple[str, str, str]:
        return "", self.place, self.etag


class NoDeadline:
    """Implements ``Deadline``: nobody ends a run but a person."""

    def remaining(self) -> float:
        return math.inf


@dataclass(frozen=True, slots=True)
class RoutedObjectStore:
    """Implements ``ObjectStore``. A `ExternalSource` is read from ``content``, all else is S3's, asked for once needed.

    A person's order replaces what stands at its destination, also where that is of a later event.
    """

    objects: Callable[[], ObjectStore]
    content: ByteSource | None = None

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        return self.objects().head(bucket, key, version_id=version_id)

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> ByteSource:
        """Of a foreign source always all: it is read no further than it is asked for."""
        if isinstance(source, ExternalSource) and self.content:
            return self.content
        return self.objects().open_source(source, start=start, end=end)

    def open_sink(
        self, target: Target, content: Content, rule: PublishRule, created: Callable[[str], None] = ignore_upload
    ) -> BucketSink:
        return self.objects().open_sink(
            target,
            content,
            lambda existing: Verdict.DUPLICATE if rule(existing) is Verdict.DUPLICATE else Verdict.REPLACE,
            created,
        )

    def sweep(self, target: Target) -> None:
        self.objects().sweep(target)


@dataclass(frozen=True, slots=True)
class LoadResumption:
    """What a run is to the ledger: its id, and where it goes on. ``ended``: nothing is left to do."""

    load_id: str
    resume: Resume
    ended: bool = False


def load_ids(job: Job) -> Iterator[str]:
    """The ids of the first load of a source into a table, of the second, and so on.

    What does not change which rows are loaded is left out: whoever allows more rejects goes on with the same load.
    """
    rows = identity(_rows_of(job.need_plan()))
    base = digest(*job.source.identity, job.target.uri, rows, job.route.codec)
    for number in count():
        yield digest(base, str(number)) if number else base


def resume_load(
    ids: Iterator[str], earlier: Sequence[tuple[bool, Resume]], *, again: bool, exists: bool, mode: Mode
) -> LoadResumption:
    """Which load it is: one that was cut short goes on, one that has ended stands, unless it is to be done ``again``.

    ``earlier`` are the loads that the ledger knows, by the first of the ids; without a table they count for nothing.
    A replacement that has ended is always made again: others may have replaced the table since.
    """
    known = [next(ids) for _ in earlier]
    if known and exists and not again:
        ended, resume = earlier[-1]
        if not ended or mode is not Mode.REPLACE:
            return LoadResumption(known[-1], resume, ended)
    return LoadResumption(next(ids), Resume())


def mode_of(plan: TablePlan) -> Mode:
    """REPLACE goes with no other."""
    return tables_of(plan)[0].mode


def _rows_of(plan: TablePlan) -> TablePlan:
    table = replace(plan.table, create=False) if plan.table else None
    return replace(plan, table=table, max_rejects=0)
