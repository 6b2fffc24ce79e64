"""One history: a stack that lives through a plan, until every job has ended and nothing is left to be done."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any

from penstock.errors import PenstockError
from penstock.jobs.events import notification
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source
from penstock.operations.redriving import Redriver
from simulation import checks, mirror
from simulation.environment import Configuration
from simulation.functions import Functions
from simulation.plan import DUPLICATES, Act, Plan, Upload, is_archive, is_skipped, is_table
from simulation.rights import JOBS
from simulation.sources import Content, archive, content, records
from simulation.stack import OPEN, START, Stack

# The reconciler of a stack has run before the first upload: its sweep spares what is older than its first run.
DEPLOYED_SECONDS = 300.0
# After so many seconds, nothing more goes wrong; after so many more, everything has ended.
CHAOS_SECONDS = 12 * 3_600.0
LIMIT_SECONDS = 8 * 86_400.0
# The event of an upload is sent once more, long after it.
LATE_SECONDS = 40_000.0
STEP = 600.0


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An upload as S3 has it; ``number`` is its place among all."""

    source: Source
    content: Content
    number: int


@dataclass
class History:
    """A history and its outcome. ``problems`` are what is wrong; ``trace`` is a digest of all that was done."""

    plan: Plan
    stack: Stack = field(init=False)
    uploads: list[Uploaded] = field(default_factory=list)
    deleted: set[tuple[str, str]] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    trace: str = ""

    def run(self) -> History:
        """Live through the plan, check what is left, redrive what has failed, and check again."""
        self.stack = Stack(self.plan)
        self._act_random = Random(f"acts {self.plan.seed}")
        try:
            self._plan()
            self._settle(START + CHAOS_SECONDS)
            self._calm()
            self._settle(self.stack.now() + LIMIT_SECONDS)
            self._check(redriven=False)
            if not self.problems:
                self._redrive_all()
                self._settle(self.stack.now() + LIMIT_SECONDS)
                self._check(redriven=True)
            if not self.problems and self.plan.mirrors:
                self.problems += mirror.problems(self.stack.s3)
        finally:
            self.stack.close()
        self.states = Counter(str(one.state) for one in self.jobs())
        self.trace = self._digest()
        return self

    def jobs(self) -> list[JobStatus]:
        """The records of all jobs."""
        functions = self._functions()
        keys = [key for key in self.stack.dynamodb.tables[JOBS] if key.startswith("job#")]
        return [found for key in keys if (found := functions.open_jobs.get(key.removeprefix("job#")))]

    def _plan(self) -> None:
        scheduler = self.stack.scheduler
        scheduler.call(DEPLOYED_SECONDS, self.stack.chaos.begin)
        for upload in self.plan.uploads:
            scheduler.call(DEPLOYED_SECONDS + upload.at, partial(self._upload, upload))
        for act in self.plan.acts:
            scheduler.call(DEPLOYED_SECONDS + act.at, partial(self._act, act))
        self.stack.start_reconciling()

    def _settle(self, until: float) -> None:
        """Run until nothing is left to be done, or until a time."""
        while self.stack.now() < until:
            self.stack.scheduler.run(min(until, self.stack.now() + STEP))
            if self._is_settled():
                return

    def _is_settled(self) -> bool:
        stack = self.stack
        return (
            len(self.uploads) == len(self.plan.uploads)
            and stack.now() >= START + DEPLOYED_SECONDS + max([0.0, *(act.at for act in self.plan.acts)])
            and not stack.scheduler.tasks
            and not stack.queues.messages.get("ingest")
            and not any(stack.dynamodb.due_times(JOBS, OPEN))
            and not stack.s3.uploads
            and not self._has_unread_letters()
        )

    def _has_unread_letters(self) -> bool:
        """Whether a message has died whose job the reconciler has not recorded yet."""
        if not self.stack.queues.messages.get("dead"):
            return False
        jobs = [checks.job_of(self, one) for one in self.uploads if not is_skipped(one.source.key)]
        return any(f"job#{job.id}" not in self.stack.dynamodb.tables[JOBS] for job in jobs)

    def _calm(self) -> None:
        self.stack.chaos.end()
        self.stack.is_calm = True
        self.stack.requests.seconds = 0.01
        self.stack.limit = 900.0

    def _upload(self, upload: Upload) -> None:
        stack, made = self.stack, _content_of(upload)
        answer = stack.s3.put_object(Bucket=upload.bucket, Key=upload.key, Body=made.data)
        number = len(self.uploads) + 1
        time = datetime.fromtimestamp(stack.now(), UTC).isoformat().replace("+00:00", "Z")
        source = Source(
            upload.bucket,
            upload.key,
            len(made.data),
            answer["ETag"].strip('"'),
            answer.get("VersionId", ""),
            f"{number:016X}",
            event_time=time,
        )
        self.uploads.append(Uploaded(source, made, number))
        body = notification(source)
        stack.send("ingest", body)
        if stack.disturbed(DUPLICATES, 0.5):
            stack.scheduler.call(stack.random.uniform(0.0, LATE_SECONDS), lambda: stack.send("ingest", body))

    def _act(self, act: Act) -> None:
        draw, stack = Random(act.number), self.stack
        match act.what:
            case "stop":
                running = sorted(name for name, one in stack.stepfunctions.runs.items() if one.status == "RUNNING")
                if running:
                    stack.stop_execution(draw.choice(running))
            case "redrive":
                self._start_redrive(draw)
            case "delete":
                self._delete(draw)
            case "deploy":
                sizes: dict[str, Any] = {
                    "large_bytes": draw.choice((1_000, 6_000, 1_000_000)),
                    "span_bytes": draw.choice((2_048, 4_096, 8_192)),
                    "index_spacing": draw.choice((1_024, 2_048)),
                }
                stack.configuration = replace(stack.configuration, **sizes)

    def _delete(self, draw: Random) -> None:
        if not self.uploads:
            return
        one = draw.choice(self.uploads)
        self.deleted.add((one.source.bucket, one.source.key))
        self.stack.s3.delete_object(Bucket=one.source.bucket, Key=one.source.key)

    def _start_redrive(self, draw: Random) -> None:
        """A user redrives jobs that have failed, or that nobody works on."""
        jobs = [one for one in self.jobs() if one.state in (JobState.FAILED, JobState.WAITING)]
        if jobs:
            job = draw.choice(sorted(jobs, key=lambda one: one.job_id))
            self.stack.scheduler.start("redrive", partial(self._redrive, job))

    def _redrive(self, status: JobStatus) -> None:
        functions = self._functions()
        stack = self.stack

        def abort(job_id: str, execution: str, error: Mapping[str, str]) -> None:
            task = stack.invoke("abort", {"job": job_id, "attempt": execution, "error": dict(error)})
            stack.scheduler.join_any([task])

        try:
            Redriver(functions.jobs, _Queue(stack), functions.machine, abort, stack.now)(status)
        except PenstockError:
            return  # its state has changed meanwhile: the user is told

    def _redrive_all(self) -> None:
        for status in self.jobs():
            if status.state is JobState.FAILED:
                self.stack.scheduler.start("redrive", partial(self._redrive, status))

    def _functions(self) -> Functions:
        """The commands of a user, without faults."""
        stack = self.stack
        return Functions(
            stack.clients,
            Configuration(stack.configuration.routes),
            lambda: checks.routes(stack),
            clock=stack.now,
            sleep=lambda _: None,
            new_id=lambda: f"user-{stack.random.getrandbits(64):x}",
            jitter=lambda: 0.0,
        )

    def _check(self, *, redriven: bool) -> None:
        if not self._is_settled():
            open_jobs = [f"{one.job_id[:8]} {one.state}" for one in self.jobs() if not one.state.final]
            tasks = sorted(task.name for task in self.stack.scheduler.tasks)
            left = len(self.stack.queues.messages.get("ingest", ()))
            uploads = len(self.stack.s3.uploads)
            self.problems.append(
                f"left without an end: jobs {open_jobs}, {uploads} uploads, {left} messages, tasks {tasks}"
            )
        self.problems += self.stack.problems
        self.problems += [f"refused: {one}" for one in self.stack.rights.refusals]
        self.problems += checks.problems(self, redriven=redriven)

    def _digest(self) -> str:
        stack = self.stack
        told = hashlib.sha256()
        told.update(repr((stack.invocations, stack.chaos.happened, stack.chaos.requests, stack.now())).encode())
        for (bucket, key), versions in sorted(stack.s3.versions.items()):
            told.update(repr((bucket, key, [(one.id, one.etag) for one in versions])).encode())
        for key, item in sorted(stack.dynamodb.tables[JOBS].items()):
            steady = {name: value for name, value in item.items() if name != "memory_peak"}
            told.update(repr((key, sorted(steady.items()))).encode())
        return told.hexdigest()[:16]


def _content_of(upload: Upload) -> Content:
    if is_archive(upload.key):
        return archive(upload.key.rpartition(".")[2], upload.size, upload.number)
    make = records if is_table(upload.key) else content
    return make(upload.form, upload.size, upload.number)


class _Queue:
    """Implements ``EventQueue``."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def send(self, event: str) -> None:
        self._stack.send("ingest", event)
