"""What the steps of the state machine need, in memory: work files, part uploads, executions, machine."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from penstock.destinations.ports import PublishRule
from penstock.errors import (
    ChecksumMismatchError,
    IncompleteJobError,
    LeaseLostError,
    PublishConflictError,
    SourceGoneError,
    YieldedError,
)
from penstock.limits import EXECUTING_SECONDS
from penstock.model.commit import CommitNote
from penstock.model.job import Claim, Failure, Job, Progress, Receipt
from penstock.model.job_status import Execution, JobState, JobStatus, Phase, Stage
from penstock.model.member import MemberCounts
from penstock.model.object import Content, Published, Source, Target
from penstock.model.span import SpanReceipt, Stored, delivery_of
from penstock.testing.jobs import MemoryJobStore
from penstock.testing.objects import MemoryObjectStore


@dataclass
class MemoryWorkFiles:
    """Keeps every file under its key. Implements ``WorkFiles``."""

    bucket: str = "work"
    files: dict[str, bytes] = field(default_factory=dict)

    def read(self, key: str) -> bytes | None:
        return self.files.get(key)

    def read_part(self, stored: Stored) -> bytes:
        if stored.key not in self.files:
            raise SourceGoneError(f"{stored.key} is gone")
        return self.files[stored.key][stored.start : stored.start + stored.size]

    def write(self, key: str, data: bytes) -> None:
        self.files[key] = data

    def write_once(self, key: str, data: bytes) -> bytes:
        return self.files.setdefault(key, data)


@dataclass
class MemoryPartStore:
    """The parts of uploads by number, on top of a `MemoryObjectStore`. Implements ``PartStore``.

    ``proves_copies`` is False for a service that reports no checksum of a copied part.
    """

    store: MemoryObjectStore
    proves_copies: bool = True
    kept: dict[str, tuple[Content, dict[int, bytes]]] = field(default_factory=dict)

    def create(self, target: Target, content: Content) -> str:
        upload_id = self.store.create_upload(target)
        self.kept[upload_id] = content, {}
        return upload_id

    def send(self, upload_id: str, number: int, data: bytes) -> None:
        """Keep a part. Raises PublishConflictError when the upload is gone."""
        if upload_id not in self.store.uploads:
            raise PublishConflictError(f"{upload_id}: NoSuchUpload")
        self.kept[upload_id][1][number] = data

    def open_parts(self, target: Target, upload_id: str, *, first: int, size: int) -> MemoryPartSink:  # noqa: ARG002  # as above
        return MemoryPartSink(self, upload_id, first, size)

    def copy_parts(
        self,
        source: Source,
        target: Target,  # noqa: ARG002  # as above
        upload_id: str,
        *,
        start: int,
        size: int,
        first: int,
        part_size: int,
    ) -> tuple[int, int, int] | None:
        if not self.proves_copies:
            return None
        data = b"".join(self.store.open_source(source, start=start, end=start + size).chunks())
        pieces = [data[at : at + part_size] for at in range(0, size, part_size)]
        for number, piece in enumerate(pieces, start=first):
            self.send(upload_id, number, piece)
        return len(pieces), size, zlib.crc32(data)

    def complete(
        self, target: Target, upload_id: str, *, parts: int, size: int, crc32: int, rule: PublishRule
    ) -> Published:
        def commit(etag: str) -> Published | None:
            content, there = self._checked(target, upload_id, parts=parts, size=size, crc32=crc32)
            return self.store.complete_if(etag, upload_id, content, there)

        published = self.store.publish(target, rule, commit, attempts=1)
        self.abort(target, upload_id)
        return published

    def _checked(
        self, target: Target, upload_id: str, *, parts: int, size: int, crc32: int
    ) -> tuple[Content, Sequence[bytes]]:
        if upload_id not in self.store.uploads:
            raise PublishConflictError(f"{upload_id}: NoSuchUpload")
        content, there = self.kept[upload_id]
        if sorted(there) != list(range(1, parts + 1)):
            raise IncompleteJobError(f"{target.uri}: parts {sorted(there)} of {parts}")
        in_order = [there[number] for number in sorted(there)]
        if sum(map(len, in_order)) != size:
            raise IncompleteJobError(f"{target.uri}: {sum(map(len, in_order))} bytes of {size}")
        if zlib.crc32(b"".join(in_order)) != crc32:
            raise ChecksumMismatchError(f"{target.uri}: BadDigest", offset=0)
        return content, in_order

    def abort(self, target: Target, upload_id: str) -> None:  # noqa: ARG002  # ids are unique here
        self.store.abort_upload(upload_id)


class MemoryPartSink:
    """Implements ``PartSink``; parts appear as they are full."""

    def __init__(self, store: MemoryPartStore, upload_id: str, first: int, size: int) -> None:
        self._store = store
        self._upload_id = upload_id
        self._first = self._number = first
        self._part_size = size
        self._waiting = bytearray()
        self._size = self._crc32 = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._waiting.clear()

    def write(self, chunk: bytes | memoryview) -> None:
        self._waiting += chunk
        while len(self._waiting) >= self._part_size:
            self._send(self._part_size)

    def finish(self) -> tuple[int, int, int]:
        if self._waiting or self._number == self._first:
            self._send(len(self._waiting))
        return self._number - self._first, self._size, self._crc32

    def _send(self, size: int) -> None:
        data = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._store.send(self._upload_id, self._number, data)
        self._number += 1
        self._size += len(data)
        self._crc32 = zlib.crc32(data, self._crc32)


@dataclass
class MemoryExecutionStore:
    """The jobs of a `MemoryJobStore` that executions carry. Implements ``ExecutionStore``."""

    jobs: MemoryJobStore
    kept: dict[tuple[str, int], SpanReceipt] = field(default_factory=dict)
    noted: dict[str, Failure] = field(default_factory=dict)

    def hand_over(self, claim: Claim, execution: str, *, lease: float) -> None:
        self.jobs.hand_over(claim, execution, lease=lease)

    def hand_back(self, claim: Claim, execution: str, *, lease: float) -> None:
        self._check(claim.job_id, execution)
        self.jobs.pass_on(claim.job_id, claim.attempt)
        self.jobs.renew(claim.job_id, lease)

    def confirm(self, job_id: str, execution: str, *, lease: float) -> int:
        self._check(job_id, execution)
        self.jobs.renew(job_id, lease)
        self.jobs.change(job_id, state=JobState.EXECUTING)
        self.jobs.dues[job_id] = self.jobs.clock() + EXECUTING_SECONDS
        return self.jobs.jobs[job_id].round

    def start_round(self, job_id: str, execution: str, round_: int) -> None:
        self._check(job_id, execution)
        if self.jobs.jobs[job_id].round < round_:
            phases = tuple(one for one in self.jobs.jobs[job_id].phases if one[0] not in (Phase.SPANS, Phase.FINISH))
            self.jobs.change(job_id, round=round_, progress=Progress(), spans_done=0, phases=phases)

    def get(self, job_id: str) -> JobStatus | None:
        return self.jobs.get(job_id)

    def forget_upload(self, job_id: str, upload_id: str) -> None:
        self.jobs.forget_upload(job_id, upload_id)

    def record_upload(self, job_id: str, execution: str, upload_id: str) -> None:
        self.jobs.owners[upload_id] = job_id
        self._check(job_id, execution)
        self.jobs.add_upload(job_id, upload_id)

    def check_order(self, job: Job) -> None:
        self.jobs.check_order(job)

    def yield_to(self, job_id: str, execution: str, error: YieldedError) -> None:
        self._check(job_id, execution)
        self.jobs.wait_for(job_id, error, holder=_yielded(execution))

    def job_state(self, job_id: str, execution: str) -> JobState:
        state = self.jobs.jobs[job_id].state
        if self.jobs.holder(job_id) == _yielded(execution):
            return state
        if self.jobs.holder(job_id) == _revoked(execution):
            return state if state.final else JobState.FAILED
        self._check_holder(job_id, execution)
        return state

    def revoke(self, job_id: str, execution: str) -> JobState:
        state = self.jobs.jobs[job_id].state
        if self.jobs.holder(job_id) != _revoked(execution):
            self._check_holder(job_id, execution)
            if not state.final:
                self.jobs.pass_on(job_id, _revoked(execution))
        return state

    def record_totals(self, job_id: str, execution: str, *, spans: int, size: int, members: int = 0) -> None:
        self._check(job_id, execution)
        status = self.jobs.jobs[job_id]
        progress = replace(status.progress, members=MemberCounts(total=members)) if members else status.progress
        self.jobs.jobs[job_id] = replace(status, spans=spans, size=size, progress=progress)

    def start_phase(self, job_id: str, execution: str, phase: Phase, *, units: int = 0) -> None:  # noqa: ARG002  # all are kept at once
        if self.jobs.holder(job_id) == execution:
            self.jobs.enter(job_id, phase)

    def record_progress(self, execution: str, stage: Stage, unit: int, progress: Progress) -> None:
        self.jobs.units.setdefault((execution, stage, unit), (progress, False))
        if not self.jobs.units[execution, stage, unit][1]:
            self.jobs.units[execution, stage, unit] = progress, False
        self.jobs.unit_times[execution, stage] = self.jobs.clock()

    def record_receipt(self, job_id: str, execution: str, receipt: SpanReceipt, *, round_: int = 0) -> bool:  # noqa: ARG002  # as below
        delivery = delivery_of(execution, round_)
        first = (delivery, receipt.span) not in self.kept
        kept = self.kept.setdefault((delivery, receipt.span), receipt)
        self.jobs.units[delivery, Stage.DELIVER, receipt.span] = kept.progress, True
        self.jobs.unit_times[delivery, Stage.DELIVER] = self.jobs.clock()
        return first

    def receipts(
        self,
        job_id: str,  # noqa: ARG002  # the execution's name tells the job
        execution: str,
        spans: Sequence[int],
        *,
        round_: int = 0,
    ) -> Mapping[int, SpanReceipt]:
        delivery = delivery_of(execution, round_)
        return {span: self.kept[delivery, span] for span in spans if (delivery, span) in self.kept}

    def record_commit(self, job_id: str, execution: str, note: CommitNote) -> None:
        self._check(job_id, execution)
        self.jobs.change(job_id, commit=note)

    def note_unused(self, job_id: str) -> None:
        self.jobs.note_unused(job_id)

    def record_failure(self, job_id: str, execution: str, failure: Failure) -> None:
        self._check(job_id, execution)
        self.noted[execution] = failure

    def recorded_failure(self, job_id: str, execution: str) -> Failure | None:  # noqa: ARG002  # as above
        return self.noted.get(execution)

    def end(
        self,
        job_id: str,
        execution: str,
        state: JobState,
        *,
        receipt: Receipt | None = None,
        failure: Failure | None = None,
        commit: CommitNote | None = None,
    ) -> bool:
        status = self.jobs.jobs[job_id]
        if status.execution == execution and status.state.final:
            return False
        if self.jobs.holder(job_id) != _revoked(execution):
            self._check_holder(job_id, execution)
        if status.state.final:
            raise LeaseLostError(f"job {job_id}: it has ended")
        self.jobs.end(job_id, state, receipt=receipt, failure=failure)
        if commit:
            self.jobs.change(job_id, commit=commit)
        return True

    def _check(self, job_id: str, execution: str) -> None:
        self._check_holder(job_id, execution)
        if self.jobs.jobs[job_id].state not in (JobState.RUNNING, JobState.EXECUTING):
            raise LeaseLostError(f"job {job_id}: it has ended, or waits")

    def _check_holder(self, job_id: str, execution: str) -> None:
        if self.jobs.holder(job_id) != execution:
            raise LeaseLostError(f"job {job_id}: execution {execution} does not hold it")


def _revoked(execution: str) -> str:
    return f"{execution}/abort"


def _yielded(execution: str) -> str:
    return f"{execution}/yielded"


@dataclass
class MemoryStateMachine:
    """Remembers which executions were started, and with what; a test says which have ``ended``, with what ``results``.
    Implements ``Machine``."""

    started: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    results: dict[str, Execution] = field(default_factory=dict)

    def start(self, execution: str, payload: str) -> bool:
        self.started.setdefault(execution, payload)
        return execution not in self.ended

    def describe(self, execution: str) -> Execution | None:
        if execution not in self.started:
            return None
        running = Execution("FAILED" if execution in self.ended else "RUNNING")
        return self.results.get(execution, running)
