"""Runs the deployed steps in one process, in the order of statemachine/job.asl.json."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

from penstock.delivery.archive import ArchiveLoader
from penstock.delivery.archive_delivery import ArchiveDelivery
from penstock.delivery.attempt import Delivery
from penstock.delivery.bucket import BucketDelivery
from penstock.delivery.member_store import MemberObjects
from penstock.delivery.ports import ObjectStore
from penstock.destinations.iceberg.ports import JobFiles
from penstock.errors import LeaseLostError, PenstockError, RetryableError
from penstock.jobs.commit.waiting import CommitWaiting
from penstock.jobs.runner import JobRunner, Outcome
from penstock.large_jobs.abort import Aborter
from penstock.large_jobs.children import Children
from penstock.large_jobs.decoded_ranges import DecodedArchives
from penstock.large_jobs.finish import Finisher
from penstock.large_jobs.handover import Handover
from penstock.large_jobs.index import IndexStep
from penstock.large_jobs.plan import Planner, Sizes
from penstock.large_jobs.plan_members import MemberPlanner
from penstock.large_jobs.plan_tables import TableSpanPlanner
from penstock.large_jobs.replacements import ReplacementPlanner
from penstock.large_jobs.table_commits import CommitLook, TableCommits
from penstock.large_jobs.table_steps import TableSteps
from penstock.large_jobs.work import Worker
from penstock.large_jobs.work_members import MemberWorker
from penstock.limits import KIB, MIB, Budget, PartPlan, S3Limits
from penstock.model.job import Job, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source
from penstock.model.route import MEMBERS
from penstock.model.source import Deadline
from penstock.routes import Routes, parse_routes
from penstock.testing import (
    ManualDeadline,
    MemoryExecutionStore,
    MemoryJobStore,
    MemoryObjectStore,
    MemoryPartStore,
    MemoryRejectLog,
    MemoryStateMachine,
    MemoryWorkFiles,
)
from penstock.testing.commits import MemoryCatalog, MemoryCommitQueue, MemoryJobFiles

STACK = {"source_bucket": "drops"}
# The retries of the definition: of a Retryable error, of a killed function, and of abort after any error.
RETRIES, RETRIES_OF_DEAD, RETRIES_OF_ABORT = 8, 3, 20


class StepKilledError(Exception):
    """A step was killed: an error that is not one of Penstock's."""


def no_tables(store: str) -> TableSteps:
    raise AssertionError(f"this test has no tables of {store}")


@dataclass
class Plant:
    """A job runner that hands every job over, the steps of the state machine, and fakes of all services."""

    routes_text: str
    span_bytes: int = 12 * KIB
    spacing: int = 1 * KIB
    part_bytes: int = 4 * KIB
    large_bytes: int = 1
    budget: Budget = field(default_factory=lambda: replace(Budget.of(128 * MIB), step=1 * KIB, batch=1 * KIB))
    tables: Callable[[str], TableSteps] = no_tables
    table_deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    loads: Mapping[str, Callable[[Job], Receipt | None]] = field(default_factory=dict)
    begun: Mapping[str, Callable[[Job], bool]] = field(default_factory=dict)
    failures: Mapping[str, Callable[[Job, PenstockError, int, int], None]] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    seed: int = 0
    password: bytes = b""
    member_bytes: int = 0
    deadlines: Callable[[], Deadline] = lambda: ManualDeadline(900.0)

    def __post_init__(self) -> None:
        self.now = 1_795_249_800.0
        limits = S3Limits(min_part=self.part_bytes)
        plan = PartPlan(first=self.part_bytes, largest=MIB, s3=limits)
        self.store = MemoryObjectStore("drops", "out", piece=700, plan=plan)
        self.objects: ObjectStore = self.store
        self.files = MemoryWorkFiles()
        self.jobs = MemoryJobStore(lambda: self.now)
        self.executions = MemoryExecutionStore(self.jobs)
        self.parts = MemoryPartStore(self.store)
        self.machine = MemoryStateMachine()
        self.catalog = MemoryCatalog()
        self.job_files: JobFiles = MemoryJobFiles()
        self.commit_queue = MemoryCommitQueue()
        self.rejects = MemoryRejectLog()
        self.random = Random(self.seed)
        self.calls: list[str] = []
        self.ran: set[str] = set()
        self._opened: MemberObjects | None = None
        self.fail: Callable[[str], None] = lambda step: None

    @property
    def routes(self) -> Routes:
        return parse_routes(self.routes_text, "routes.toml", STACK)

    @property
    def sizes(self) -> Sizes:
        return Sizes(
            self.budget,
            128 * MIB,
            workers=4,
            span_bytes=self.span_bytes,
            index_spacing=self.spacing,
            part_bytes=self.part_bytes,
        )

    def upload(self, key: str, data: bytes) -> Source:
        return self.store.put("drops", key, data)

    def ingest(
        self, source: Source, deadline: Deadline | None = None, *, job_id: str = "", receives: int = 1
    ) -> Outcome:
        runner = JobRunner(
            objects=self.opened,
            jobs=self.jobs,
            deliveries=self.all_deliveries,
            lease=60.0,
            heartbeat_every=2.0,
            margin=10.0,
            clock=self.clock,
            handover=self.handover,
            loads=self.loads,
            failures=self.failures,
            waiting=CommitWaiting(self.jobs, self.commit_queue),
        )
        return runner.take(source, self.routes, deadline or self.deadlines(), job_id=job_id, receives=receives)

    def died(self, source: Source) -> None:
        """The attempt was killed after it did the job and before it recorded that."""
        job_id = next(status.job_id for status in self.jobs.jobs.values() if status.upload == source)
        self.jobs.change(job_id, state=JobState.RUNNING, lease_until=0.0, finished_at=0.0)

    @property
    def opened(self) -> MemberObjects:
        """The objects, and the members of archives."""
        # One for all: a member of an archive that is read in order is held there.
        if self._opened is None or self._opened.objects is not self.objects:
            indexed = DecodedArchives(self.objects, self.files, self.budget, self.spacing)
            self._opened = MemberObjects(self.objects, self.budget, indexed, lambda _: self.password)
        return self._opened

    @property
    def handover(self) -> Handover:
        return Handover(self.opened, self.files, self.executions, self.machine, 128 * MIB, large_bytes=self.large_bytes)

    @property
    def deliveries(self) -> Mapping[str, Delivery]:
        return {"bucket": BucketDelivery(self.opened, self.budget), **self.table_deliveries}

    @property
    def all_deliveries(self) -> Mapping[str, Delivery]:
        return {**self.deliveries, MEMBERS: ArchiveDelivery(self.archive_loader, self.files, self.tables)}

    def run(self, source: Source) -> JobStatus:
        """Run a job from its upload to the end of its execution."""
        outcome = self.ingest(source)
        assert outcome.state is JobState.EXECUTING, outcome
        self.execute(outcome.job_id)
        return self.jobs.jobs[outcome.job_id]

    def execute(self, execution: str) -> bool:
        """Run an execution to its end, and return whether it succeeded."""
        job_id = self.job_of(execution)
        self.ran.add(execution)
        try:
            while self.round_of(execution, job_id):
                pass
        except (PenstockError, StepKilledError) as error:
            self.abort(execution, error)
            return False
        return True

    def round_of(self, execution: str, job_id: str) -> bool:
        """Run from plan to finish, and return whether all spans must be sent again."""
        while (planned := self.call("plan", partial(self.run_step, "planner", job_id, execution)))["next"] in {
            "index",
            "survey",
        }:
            if planned["next"] == "survey":
                for item in self.items(planned):
                    self.call("survey", partial(self.run_step, "indexer", job_id, execution, item))
            else:
                while not self.call("index", partial(self.run_step, "indexer", job_id, execution, None))["done"]:
                    pass
        round_ = planned["round"]
        assert isinstance(round_, int)
        if planned["next"] == "sequence":
            self.sequence(execution, job_id)
        else:
            items = self.items(planned)
            self.random.shuffle(items)
            for item in items:
                self.call("work", partial(self.run_step, "worker", job_id, execution, item, round_=round_))
        while (done := self.call("finish", lambda d: self.finisher(job_id, execution, round_)))["next"] == "children":
            self.sequence(execution, job_id)
        return done["next"] == "again"

    def run_step(self, name: str, *given: Any, **named: Any) -> dict[str, object]:
        """Run a step with what this function has opened: a copy of a step may run in another one."""
        answer: dict[str, object] = getattr(self, name)(*given, **named)
        return answer

    def sequence(self, execution: str, job_id: str) -> None:
        """Deliver spans in order. While the machine waits for members, their executions run."""
        while not (answer := self.call("sequence", partial(self.run_step, "worker", job_id, execution, None)))["done"]:
            if wait := answer.get("wait"):
                assert isinstance(wait, int)
                self.now += wait
                self.run_children()

    def run_children(self) -> None:
        """Run the executions that other executions have started."""
        for execution in [one for one in self.machine.started if one not in self.ran]:
            # The job was ended with that of its archive, and has another execution by now.
            with suppress(LeaseLostError):
                self.execute(execution)

    def abort(self, execution: str, error: Exception) -> None:
        """Abort, as the state machine does after an error that retries do not fix."""
        caught = {"Error": type(error).__name__, "Cause": json.dumps({"errorMessage": str(error)})}
        self.call("abort", lambda d: self.aborter(self.job_of(execution), execution, caught))

    def job_of(self, execution: str) -> str:
        """The job of a started execution."""
        return str(json.loads(self.machine.started[execution])["job"])

    def items(self, answer: Mapping[str, object]) -> list[object]:
        manifest = answer["manifest"]
        assert isinstance(manifest, dict)
        return [json.loads(line) for line in self.files.files[manifest["key"]].splitlines()]

    def call(self, step: str, work: Callable[[Deadline], dict[str, object]]) -> dict[str, object]:
        """Call a step, and retry it as often as the definition does."""
        failed = dead = 0
        while True:
            self.calls.append(step)
            try:
                self.fail(step)
                return work(self.deadlines())
            except (PenstockError, StepKilledError) as error:
                failed += isinstance(error, RetryableError)
                dead += isinstance(error, StepKilledError)
                if step == "abort":
                    if failed + dead <= RETRIES_OF_ABORT:
                        continue
                elif (
                    isinstance(error, RetryableError | StepKilledError)
                    and failed <= RETRIES
                    and dead <= RETRIES_OF_DEAD
                ):
                    continue
                raise

    @property
    def planner(self) -> Planner:
        cutter = TableSpanPlanner(self.opened, self.files, self.tables, lambda: self.routes, self.sizes, 10.0)
        lister = MemberPlanner(self.archive_loader.reader, lambda: self.routes, self.sizes, 10.0, self.member_bytes)
        return Planner(
            self.opened,
            self.files,
            self.executions,
            self.parts,
            cutter,
            lister,
            lambda: self.routes,
            self.sizes,
            10.0,
            ReplacementPlanner(lambda: self.routes, self.tables),
        )

    @property
    def indexer(self) -> IndexStep:
        return IndexStep(self.opened, self.files, self.executions, self.sizes, 10.0)

    @property
    def worker(self) -> Worker:
        return Worker(
            self.opened,
            self.files,
            self.executions,
            self.parts,
            self.tables,
            self.all_deliveries,
            lambda: self.members,
            lambda: self.routes,
            self.budget,
            10.0,
        )

    @property
    def archive_loader(self) -> ArchiveLoader:
        return ArchiveLoader(self.opened, self.deliveries, self.budget, self.loads, self.begun)

    @property
    def members(self) -> MemberWorker:
        children = Children(self.jobs, self.handover)
        return MemberWorker(self.executions, self.archive_loader, children, 10.0, now=lambda: self.now)

    @property
    def finisher(self) -> Finisher:
        return Finisher(self.files, self.executions, self.parts, self.tables, lambda: self.commits)

    @property
    def commits(self) -> TableCommits:
        return TableCommits(self.executions, self.job_files, lambda: self.catalog, lambda: self.now)

    @property
    def aborter(self) -> Aborter:
        look = CommitLook(lambda: self.catalog, lambda: self.now)
        return Aborter(self.opened, self.files, self.executions, self.parts, self.tables, look)


def redriven(made: Plant, source: Source, job_id: str) -> JobStatus:
    """Redrive a failed job, and run its new execution."""
    assert made.jobs.reopen(made.jobs.jobs[job_id])
    outcome = made.ingest(source)
    assert outcome.job_id == job_id
    made.execute(made.jobs.jobs[job_id].execution)
    return made.jobs.jobs[job_id]
