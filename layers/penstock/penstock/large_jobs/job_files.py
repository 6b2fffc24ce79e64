"""The files under ``jobs/`` in the work bucket, with which the steps of a job share its data.

jobs/<job>/ticket.json       JobSpec: the job, as ingest handed it over
jobs/<job>/cut.json          SpanPlanDocument: the spans of the job; written last by the plan
jobs/<job>/manifest.jsonl    its spans, one per line
jobs/<job>/text.json         Text: how records are found, for the index
jobs/<job>/pieces.jsonl      pieces of a plain source to survey, one per line
jobs/<job>/survey/<n>.json   the result of a piece
jobs/<job>/upload-<execution>.json      Upload: the multipart upload of one execution
jobs/<job>/upload-<execution>.<n>.json  that of its n-th further round, in which all spans are sent again
jobs/<job>/report.json       the result of the job
jobs/<job>/batches/..., members/...     the members of an archive (see `member_batches`)
jobs/routes-<digest>/...     the routes of an archive's members, by run (see `route_history`)
jobs/index-<digest>/...      the index of a source (see `index_pass`), shared by all of its jobs
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from penstock.errors import IncompleteJobError
from penstock.large_jobs.ports import WorkFiles
from penstock.large_jobs.span_plan import SpanPlan, SpanPlanDocument, from_document, to_document
from penstock.model.job import Job
from penstock.model.object import ObjectHead
from penstock.model.serialization import OMIT_DEFAULT, from_json, to_json
from penstock.model.span import Span, delivery_of

V = TypeVar("V")

FOLDER = "jobs"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job with a pinned source, and the head of that source. ``redrives`` counts its restarts by a user; ``attempt``
    is the attempt of ingest that handed it over."""

    job: Job
    head: ObjectHead
    redrives: int = field(default=0, metadata=OMIT_DEFAULT)
    attempt: int = field(default=1, metadata=OMIT_DEFAULT)


@dataclass(frozen=True, slots=True)
class Upload:
    """The multipart upload that all spans of an execution fill."""

    upload_id: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The files of one job."""

    files: WorkFiles
    job_id: str

    def key(self, name: str) -> str:
        """Return the key of a file."""
        return f"{FOLDER}/{self.job_id}/{name}"

    def find(self, kind: type[V], name: str) -> V | None:
        """Read a value, or return None if it does not exist."""
        text = self.files.read(self.key(name))
        return None if text is None else from_json(kind, text)

    def get(self, kind: type[V], name: str) -> V:
        """Read a value of an earlier step. Raises IncompleteJobError if it does not exist."""
        return from_json(kind, self.need(name))

    def need(self, name: str) -> bytes:
        """Read a file of an earlier step. Raises IncompleteJobError if it does not exist."""
        text = self.files.read(self.key(name))
        if text is None:
            raise IncompleteJobError(
                f"s3://{self.files.bucket}/{self.key(name)} is missing",
                hint="Work files expire after WorkRetentionDays. `penstock redrive` recreates them from the source.",
            )
        return text

    def put(self, name: str, value: object) -> None:
        """Write a value."""
        self.files.write(self.key(name), to_json(value).encode())

    def put_once(self, kind: type[V], name: str, value: V) -> V:
        """Write a value unless it exists, and return the stored value."""
        return from_json(kind, self.files.write_once(self.key(name), to_json(value).encode()))

    def find_plan(self) -> SpanPlan | None:
        """Read the span plan of the job, or return None if it does not exist yet."""
        document = self.find(SpanPlanDocument, SPAN_PLAN)
        return from_document(document) if document else None

    def get_plan(self) -> SpanPlan:
        """Read the span plan of the job. Raises IncompleteJobError if it does not exist."""
        return from_document(self.get(SpanPlanDocument, SPAN_PLAN))

    def put_plan(self, plan: SpanPlan) -> None:
        """Write a span plan, and replace an existing one."""
        self.put(SPAN_PLAN, to_document(plan))

    def put_plan_once(self, plan: SpanPlan) -> SpanPlan:
        """Write a span plan unless one exists, and return the stored plan."""
        return from_document(self.put_once(SpanPlanDocument, SPAN_PLAN, to_document(plan)))


JOB_SPEC, SPAN_PLAN, TEXT, REPORT = "ticket.json", "cut.json", "text.json", "report.json"
MANIFEST, PIECES = "manifest.jsonl", "pieces.jsonl"


def spans_of(folder: JobFolder) -> list[Span]:
    """Return all spans of a job's manifest, in order. Memory: about 300 bytes each."""
    lines = folder.files.read(folder.key(MANIFEST)) or b""
    return [from_json(Span, line) for line in lines.splitlines()]


def upload_name(execution: str, round_: int = 0) -> str:
    """Return the file name of the `Upload` of a round of an execution."""
    return f"upload-{delivery_of(execution, round_)}.json"


def uploads_of(folder: JobFolder, execution: str) -> Iterator[Upload]:
    """Yield the uploads of all rounds of an execution."""
    for round_ in count():
        upload = folder.find(Upload, upload_name(execution, round_))
        if upload is None:
            return
        yield upload
