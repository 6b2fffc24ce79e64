"""What the steps of a job know of it, and where they leave it for each other: files under ``jobs/`` of the work bucket.

jobs/<job>/ticket.json       JobSpec: the job, as ingest handed it over
jobs/<job>/cut.json          SpanPlanDocument: the spans of the job; with it, planning is over
jobs/<job>/manifest.jsonl    its spans, one a line
jobs/<job>/text.json         Text: how records are told apart, for the index
jobs/<job>/pieces.jsonl      pieces of a plain source to survey, one a line
jobs/<job>/survey/<n>.json   what was found in a piece
jobs/<job>/upload-<execution>.json      Upload: the multipart upload of one execution
jobs/<job>/upload-<execution>.<n>.json  that of its n-th further round, in which all is sent again
jobs/<job>/report.json       the end of the story
jobs/index-<digest>/...      the index of a source (see `indexing`), which serves all of its jobs
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from penstock.errors import IncompleteJobError
from penstock.large_jobs.ports import WorkFiles
from penstock.large_jobs.span_plan import SpanPlan, SpanPlanDocument, from_document, to_document
from penstock.model.job import Job
from penstock.model.object import ObjectHead
from penstock.model.serialization import from_json, to_json
from penstock.model.span import Span, delivery_of

V = TypeVar("V")

FOLDER = "jobs"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job whose source is pinned, and what its source's head said."""

    job: Job
    head: ObjectHead


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
        """The key of one of its files."""
        return f"{FOLDER}/{self.job_id}/{name}"

    def find(self, kind: type[V], name: str) -> V | None:
        """A value that was left, or None."""
        text = self.files.read(self.key(name))
        return None if text is None else from_json(kind, text)

    def get(self, kind: type[V], name: str) -> V:
        """A value that an earlier step left. Raises IncompleteJobError when it is not there."""
        found = self.find(kind, name)
        if found is None:
            raise IncompleteJobError(
                f"s3://{self.files.bucket}/{self.key(name)} is missing",
                hint="Work files expire after WorkRetentionDays. `penstock redrive` makes them again from the source.",
            )
        return found

    def put(self, name: str, value: object) -> None:
        """Leave a value."""
        self.files.write(self.key(name), to_json(value).encode())

    def put_once(self, kind: type[V], name: str, value: V) -> V:
        """Leave a value unless one is there; answers the one that is."""
        return from_json(kind, self.files.write_once(self.key(name), to_json(value).encode()))

    def find_plan(self) -> SpanPlan | None:
        """The span plan of the job, or None before there is one."""
        document = self.find(SpanPlanDocument, SPAN_PLAN)
        return from_document(document) if document else None

    def get_plan(self) -> SpanPlan:
        """The span plan of the job. Raises IncompleteJobError when it is not there."""
        return from_document(self.get(SpanPlanDocument, SPAN_PLAN))

    def put_plan(self, plan: SpanPlan) -> None:
        """Leave a span plan in place of any other."""
        self.put(SPAN_PLAN, to_document(plan))

    def put_plan_once(self, plan: SpanPlan) -> SpanPlan:
        """Leave a span plan unless there is one; answers the one that is there."""
        return from_document(self.put_once(SpanPlanDocument, SPAN_PLAN, to_document(plan)))


JOB_SPEC, SPAN_PLAN, TEXT, REPORT = "ticket.json", "cut.json", "text.json", "report.json"
MANIFEST, PIECES = "manifest.jsonl", "pieces.jsonl"


def spans_of(folder: JobFolder) -> list[Span]:
    """All spans of a job's manifest, in order: some 300 bytes each."""
    lines = folder.files.read(folder.key(MANIFEST)) or b""
    return [from_json(Span, line) for line in lines.splitlines()]


def upload_name(execution: str, round_: int = 0) -> str:
    """The name of the `Upload` of a round of an execution."""
    return f"upload-{delivery_of(execution, round_)}.json"


def uploads_of(folder: JobFolder, execution: str) -> Iterator[Upload]:
    """Those of all rounds of an execution."""
    for round_ in count():
        upload = folder.find(Upload, upload_name(execution, round_))
        if upload is None:
            return
        yield upload
