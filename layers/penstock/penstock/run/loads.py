"""The pipeline without Lambda: sources outside S3, and which loads to resume.

A run is one attempt at a job by the deliveries of the functions, without a jobs table and without a deadline.
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
from penstock.run.local_source import FileRange, FileSource
from penstock.tables import tables_of

# The size of a source without a declared size: its ratio cannot be checked, only ``max_bytes``.
UNKNOWN = S3.max_object


@dataclass(frozen=True, slots=True)
class ExternalSource(Source):
    """A source outside S3: a file, standard input, or a URI. Its ``etag`` is empty if two versions cannot be
    distinguished. ``location`` identifies it, ``shown`` is the name to show; for a member, that of the object."""

    location: str = ""
    shown: str = ""

    @property
    def uri(self) -> str:
        return f"{self.shown}/{self.member.path}" if self.member else self.shown

    @property
    def values(self) -> dict[str, str]:
        # What stands for bucket and ETag here only identifies the source.
        return {"bucket": "", "version_id": "", "etag": "", "size": "" if self.size == UNKNOWN else str(self.size)}

    @property
    def identity(self) -> tuple[str, ...]:
        numbers = map(str, self.member.numbers) if self.member else ()
        return "", self.location, self.etag, *numbers


class NoDeadline:
    """Implements ``Deadline`` without a limit: only the user ends a run."""

    def remaining(self) -> float:
        return math.inf


@dataclass(frozen=True, slots=True)
class RoutedObjectStore:
    """Implements ``ObjectStore``. An `ExternalSource` is read from ``content``; all else is in S3, opened when needed.

    A command-line run overwrites the destination even if a newer event wrote it.
    """

    objects: Callable[[], ObjectStore]
    content: ByteSource | None = None

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        return self.objects().head(bucket, key, version_id=version_id)

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> ByteSource:
        """Open a source. Only a file is read by ranges; of any other, the reader stops when it has enough."""
        if isinstance(source, ExternalSource) and self.content:
            if isinstance(self.content, FileSource) and (start or end is not None):
                return FileRange(self.content, start, end)
            return self.content
        return self.objects().open_source(source, start=start, end=end)

    def open_sink(
        self,
        target: Target,
        content: Content,
        rule: PublishRule,
        created: Callable[[str], None] = ignore_upload,
        *,
        is_new: bool = False,
    ) -> BucketSink:
        return self.objects().open_sink(
            target,
            content,
            lambda existing: Verdict.DUPLICATE if rule(existing) is Verdict.DUPLICATE else Verdict.REPLACE,
            created,
            is_new=is_new,
        )

    def sweep(self, target: Target) -> None:
        self.objects().sweep(target)


@dataclass(frozen=True, slots=True)
class LoadResumption:
    """A run's load in the ledger: its id, and where it resumes. ``ended``: the load is complete."""

    load_id: str
    resume: Resume
    ended: bool = False


def load_ids(job: Job) -> Iterator[str]:
    """Yield the ids of the first load of a source into a table, of the second, and so on.

    Options that do not change the rows are not part of the id: a run with another ``max_rejects`` resumes the same
    load.
    """
    rows = identity(_rows_of(job.need_plan()))
    base = digest(*job.source.identity, job.target.uri, rows, job.route.codec)
    for number in count():
        yield digest(base, str(number)) if number else base


def resume_load(
    ids: Iterator[str], earlier: Sequence[tuple[bool, Resume]], *, again: bool, exists: bool, mode: Mode
) -> LoadResumption:
    """Choose the load: an interrupted one resumes, a complete one is not repeated, unless ``again`` is set.

    ``earlier`` are the loads in the ledger, by the first ids; they do not count if the table does not exist. A complete
    replacement is always repeated: another one may have replaced the table since.
    """
    known = [next(ids) for _ in earlier]
    if known and exists and not again:
        ended, resume = earlier[-1]
        if not ended or mode is not Mode.REPLACE:
            return LoadResumption(known[-1], resume, ended)
    return LoadResumption(next(ids), Resume())


def mode_of(plan: TablePlan) -> Mode:
    """Return the mode of a plan. REPLACE is never combined with another mode."""
    return tables_of(plan)[0].mode


def _rows_of(plan: TablePlan) -> TablePlan:
    table = replace(plan.table, create=False) if plan.table else None
    return replace(plan, table=table, max_rejects=0)
