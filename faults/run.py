"""One run: a job, or many small ones, from upload to end through all faults, and what is wrong with the result.

A job may succeed, or fail and leave nothing behind. A job that failed, or whose message reached the dead-letter
queue, is then redriven without faults and must succeed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from urllib.parse import urlencode

from boto3.dynamodb.types import TypeDeserializer

from faults import outcome
from faults.after_kinds import ATTRIBUTES, TAGS
from faults.after_outcome import after_problems, is_open
from faults.commits import RECEIVES, Commits
from faults.http_proxy import http_proxy
from faults.invocation_request import DEAD, TIMED_OUT, Invocation, InvocationRequest, InvocationResult
from faults.machine import ALL_RETRIES, StateMachineRunner
from faults.postgres_proxy import postgres_proxy
from faults.run_plans import ANY_FAULT, FaultProfile
from faults.schedule import Fault, Schedule
from faults.servers import COMMIT_FUNCTION, RunResources
from faults.sources import JobKind
from penstock.aws.jobs_table.commit_items import state_of
from penstock.jobs.events import notification
from penstock.model.job_status import JobState
from penstock.model.object import Source

# Small jobs make few requests: this factor raises the rate of each.
SMALL_JOB_FACTOR = 3
KILLS = 6
# Shares of invocations that run twice at once, and that have little time left.
DUPLICATE_SHARE = 0.05
SHORT_TIME_SHARE = 0.1
# The retries of an asynchronous invocation.
ASYNCHRONOUS = 3
# After this many runs of the reconciler nothing may be left.
MAX_RECONCILES = 10
# Shares of ends of jobs that the stream loses, and of runs in which a newer version comes during an action.
LOST_SHARE = 0.2
NEWER_SHARE = 0.4
# The retries of the stream's event source in template.yaml.
STREAM_RETRIES = 3
# The final states of jobs that a redrive goes on with.
REDRIVEN = ("failed", "in_doubt")
# Longer than any lease.
AFTER_ALL_LEASES = 700_000.0

_plain = TypeDeserializer().deserialize


@dataclass
class Result:
    """How a run ended. ``problems`` lists what is wrong."""

    seed: int
    kind: str
    store: str
    rate: float
    state: str
    schedule: Schedule
    seconds: float
    invocations: int
    takeovers: int
    orphans: int
    problems: Sequence[str]

    def __str__(self) -> str:
        counts = self.schedule.counts()
        faults = ", ".join(f"{n} {fault}" for fault, n in sorted(counts.items(), key=lambda one: -one[1]))
        name = f"seed {self.seed:<5} {self.kind:<15} {self.state:<12}"
        line = f"{name} {self.invocations:>3} invocations, {self.seconds:4.1f} s  {faults or 'no faults'}"
        return line + "".join(f"\n    WRONG: {one}" for one in self.problems)


@dataclass
class Run:
    """One run with its resources."""

    resources: RunResources
    kind: JobKind
    seed: int
    rate: float
    profile: FaultProfile = ANY_FAULT
    schedule: Schedule = field(init=False)
    takeovers: int = 0
    clock_offset: float = 0.0
    problems: list[str] = field(default_factory=list)
    invocations: int = 0
    executed: set[str] = field(default_factory=set)
    sources: list[Source] = field(default_factory=list)
    async_events: list[Any] = field(default_factory=list)
    retries: int = ALL_RETRIES
    newer: dict[str, Source] = field(default_factory=dict)
    told: set[tuple[str, str, int]] = field(default_factory=set)
    commits: Commits = field(init=False)
    # The final states besides succeeded that are right.
    harmless_states: ClassVar[Collection[str]] = ()

    def __post_init__(self) -> None:
        rate = self.rate if self.kind.large else self.rate * SMALL_JOB_FACTOR
        name, profile = f"{self.seed} {self.kind.name}", self.profile
        self.schedule = Schedule(name, rate, KILLS, preferred=profile.preferred, persistent=profile.persistent)
        self.commits = Commits(self)

    def __call__(self) -> Result:
        began = time.monotonic()
        outcome.prepare(self.resources, self.kind)
        self.sources = self.upload_all()
        self.deliver()
        states = {job["state"] for job in self.jobs()} - set(self.harmless_states)
        self.check()
        state = "succeeded" if states == {"succeeded"} else "failed" if "failed" in states else "dead letter"
        orphans = self.reconcile_all()
        self.check()
        if any(job["state"] in REDRIVEN for job in self.jobs()):
            self.redrive()
            orphans += self.reconcile_all()
        self.check(success_only=True)
        self.deliver()  # A late duplicate of the event changes nothing.
        self.check(success_only=True)
        orphans += self.reconcile_all()
        self.problems += [str(decision) for decision in self.resources.decisions() if not decision.allowed]
        seconds = time.monotonic() - began
        problems = list(dict.fromkeys(self.problems))
        return Result(
            self.seed,
            self.kind.name,
            self.kind.store,
            self.rate,
            state,
            self.schedule,
            seconds,
            self.invocations,
            self.takeovers,
            orphans,
            problems,
        )

    def redrive(self) -> None:
        """Reopen every failed job and deliver all messages, without faults."""
        self.schedule.fault_free = True
        failed = [job["pk"].removeprefix("job#") for job in self.jobs() if job["state"] in REDRIVEN]
        self.invoke("redrive", failed)
        self.clock_offset += AFTER_ALL_LEASES
        self.deliver()

    def upload_all(self) -> list[Source]:
        """Upload the files of the kind."""
        return [self.upload(name, data) for name, data in self.kind.files().items()]

    def upload(self, name: str, data: bytes) -> Source:
        key = f"{self.resources.name}/{name}"
        bucket, attributes = self.kind.bucket, ATTRIBUTES | {"Tagging": urlencode(TAGS)} if self.kind.after else {}
        answer = self.resources.servers.client("s3").put_object(Bucket=bucket, Key=key, Body=data, **attributes)
        version = answer.get("VersionId", "")
        return Source(bucket, key, len(data), answer["ETag"].strip('"'), version, "0066F5D1B2C3A49D10")

    def deliver(self) -> None:
        """Deliver the messages of all sources as often as the queue does, and run the executions that they start."""
        pending = {str(number): notification(source) for number, source in enumerate(self.sources)}
        for receives in range(1, RECEIVES + 1):
            pending = self.receive(pending, receives)
            if not pending:
                return
            self.clock_offset += 1_000.0
        for body in pending.values():
            self.resources.dead_letter(body)

    def receive(self, pending: dict[str, str], receives: int) -> dict[str, str]:
        """Deliver some messages once, and run the executions that they start; return those that come back."""
        held_attempts = self.held_attempts()
        answer = self.invoke("ingest", self.batch(pending, receives))
        taken = {job["pk"]: job["attempts"] for job in self.jobs() if "attempts" in job}
        self.takeovers += sum(taken.get(key, number) > number for key, number in held_attempts.items())
        if not answer.error:
            pending = {number: pending[number] for number in answer.value}
        self.run_executions()
        return pending

    def held_attempts(self) -> dict[str, int]:
        """The attempt numbers of jobs whose lease a killed attempt still holds."""
        return {job["pk"]: job["attempts"] for job in self.jobs() if job["state"] == "running"}

    def batch(self, pending: dict[str, str], receives: int, queue: str = "") -> object:
        return {
            "Records": [
                {
                    "messageId": number,
                    "receiptHandle": f"receipt-{number}",
                    "body": body,
                    "attributes": {"ApproximateReceiveCount": str(receives)},
                    "eventSource": "aws:sqs",
                    "eventSourceARN": queue or self.resources.queue,
                }
                for number, body in pending.items()
            ]
        }

    def run_executions(self) -> None:
        """Run every execution that was started and has not run yet, and then those that these have started."""
        while self.run_next():
            pass
        if self.kind.store == "iceberg":
            self.commits.deliver()

    def run_next(self) -> bool:
        """Run an execution that was started and has not run yet. Returns False if there is none."""
        given = self._next_execution()
        if given:
            failed = StateMachineRunner(self.invoke, self.read, self.wait, self.run_executions, self.retries).run(given)
            if failed:
                # The EventBridge rule on ended executions, independent of the machine's own abort.
                ended = {**given, "error": failed}
                for _ in range(ASYNCHRONOUS):
                    if not self.invoke("abort", ended).error:
                        break
        return given is not None

    def _next_execution(self) -> Mapping[str, Any] | None:
        """Return the input of an execution that has not run yet, and note that it runs."""
        stepfunctions = self.resources.servers.client("stepfunctions")
        arn = self.resources.servers.state_machine.replace(":stateMachine:", ":execution:")
        for job in self.jobs():
            name = job.get("execution", "")
            if not name or name in self.executed:
                continue
            try:
                described = stepfunctions.describe_execution(executionArn=f"{arn}:{name}")
            except stepfunctions.exceptions.ExecutionDoesNotExist:
                continue
            self.executed.add(name)
            given: Mapping[str, Any] = json.loads(described["input"])
            return given
        return None

    def reconcile_all(self) -> int:
        """Run the reconciler without faults until nothing is left; return how many uploads it aborted."""
        self.schedule.fault_free = True
        swept = 0
        for _ in range(MAX_RECONCILES):
            if self.is_complete():
                break
            swept += self.reconcile_once()
        if not self.is_complete():
            states = sorted(job["state"] for job in self.jobs())
            self.problems.append(f"left without an end: jobs {states}, {len(self.resources.uploads())} uploads open")
        return swept

    def is_complete(self) -> bool:
        """Whether every source has a job, every job has a final state, and no upload is open."""
        states = [JobState(job["state"]) for job in self.jobs()]
        return (
            len(states) >= len(self.sources)
            and all(state.final for state in states)
            and not any(map(is_open, self.jobs()))
            and not (self.kind.store == "iceberg" and self.resources.unused_files())
            and not self.resources.uploads()
        )

    def reconcile_once(self) -> int:
        """Run the reconciler once and all that it requests; return the number of uploads that its sweep aborted."""
        self.clock_offset += AFTER_ALL_LEASES
        done = self.invoke("reconcile", {}).value or {}
        while self.async_events:
            self.invoke("abort", self.async_events.pop())
        if bodies := self.resources.take_messages():
            self.invoke("ingest", self.batch({str(number): body for number, body in enumerate(bodies)}, 1))
            self.run_executions()
        if self.kind.store == "iceberg":
            self.commits.deliver()
        return int(done.get("uploads", 0))

    def invoke(self, verb: str, event: Any) -> InvocationResult:
        """Invoke a function; sometimes twice at once, ignoring the second result."""
        rng = self.schedule.rng(f"invoke {verb}")
        copied = not self.schedule.fault_free and rng.random() < DUPLICATE_SHARE
        with ThreadPoolExecutor(2) as pool:
            done = [pool.submit(self.invoke_once, verb, event) for _ in range(2 if copied else 1)]
        answer = done[0].result()
        if self.kind.after and verb != "after":
            self.deliver_ends()
        return answer

    def deliver_ends(self) -> None:
        """Deliver the stream's records of jobs that have ended with an action to be done. Some are lost."""
        for _ in range(1 + STREAM_RETRIES):
            ended = {
                (job["pk"], job.get("attempt", ""), int(job["after_sends"])) for job in self.jobs() if _is_told(job)
            }
            new = sorted(ended - self.told)
            rng = self.schedule.rng("stream")
            kept = [one for one in new if self.schedule.fault_free or not self.rate or rng.random() >= LOST_SHARE]
            if not kept:
                self.told |= ended
                return
            self.told |= set(new) - set(kept)
            records = [{"dynamodb": {"Keys": {"pk": {"S": pk}}, "SequenceNumber": pk}} for pk, _, _ in kept]
            answer = self.invoke("after", {"Records": records})
            if not answer.error and not answer.value["batchItemFailures"]:
                self.told |= set(kept)
        self.told |= ended

    def overwrite_source(self, request: str) -> None:
        """Upload a newer version of a source while its action is under way: of other bytes, or of the same.

        Not in a bucket without versions, if of the same bytes: there S3 cannot tell it from the older one.
        """
        source = next((one for one in self.sources if one.key in request), None)
        rng = self.schedule.rng("newer")
        wanted = rng.random() < NEWER_SHARE and source is not None
        is_too_late = self.newer or any(job["state"] != "succeeded" for job in self.jobs())
        if not wanted or source is None or is_too_late:
            return
        held = self.resources.servers.client("s3").list_objects_v2(Bucket=source.bucket, Prefix=source.key)
        if not held.get("KeyCount"):
            return
        same = rng.random() < 1 / 2 and bool(source.version_id)
        data = self.kind.files()[source.key.rpartition("/")[2]]
        body = data if same else b"newer " + data
        # With tags of its own: the emulator leaves those of an object without versions on what replaces it.
        s3, where = self.resources.servers.client("s3"), {"Bucket": source.bucket, "Key": source.key}
        answer = s3.put_object(**where, Body=body, Tagging="newer=yes")
        etag, version = answer["ETag"].strip('"'), answer.get("VersionId", "")
        self.newer[source.key] = replace(source, etag=etag, version_id=version)

    def invoke_once(self, verb: str, event: Any) -> InvocationResult:
        rng = self.schedule.rng(f"time of {verb}")
        late = not self.schedule.fault_free and rng.random() < SHORT_TIME_SHARE
        seconds, seconds_per_check = (rng.uniform(20, 150), 1.0) if late else (900.0, 0.0)
        invocation = Invocation()

        def end(fault: Fault) -> None:
            invocation.kill(TIMED_OUT if fault is Fault.TIMED_OUT else DEAD)

        with (
            http_proxy(self.resources.servers.account.endpoint, self.schedule, end, self.invoked) as endpoint,
            postgres_proxy(self.resources.dsn, self.schedule, end) as dsn,
        ):
            self.schedule.before_request = self.interference(verb)
            environment = self.resources.environment(verb, endpoint, dsn, self.kind.settings)
            answer = invocation.run(
                InvocationRequest(verb, event, environment, self.clock_offset, seconds, seconds_per_check)
            )
        self.invocations += 1
        if not answer.is_penstock_error:
            self.problems.append(f"{verb} raised {answer.error}: {answer.message}")
        if answer.error and self.schedule.fault_free:
            self.problems.append(f"{verb} raised {answer.error} without a fault: {answer.message}")
        return answer

    def invoked(self, name: str, event: Any) -> InvocationResult | None:
        """A function invokes another one: `commit`, whose answer it needs, or `abort`, which runs later."""
        if name == COMMIT_FUNCTION:
            return self.invoke_once("commit", event)
        self.async_events.append(event)
        return None

    def interference(self, verb: str) -> Callable[[str], None]:
        """Return what happens before each request of a function."""
        if self.kind.store == "iceberg":
            return self.commits.go_first
        return self.overwrite_source if verb == "after" else nothing

    def wait(self, seconds: float) -> None:
        self.clock_offset += seconds

    def read(self, bucket: str, key: str) -> bytes:
        data: bytes = self.resources.servers.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def jobs(self) -> list[dict[str, Any]]:
        """The items of all jobs."""
        found = [
            {name: _plain(value) for name, value in item.items()} for item in self.resources.items(self.resources.jobs)
        ]
        return [item | {"state": str(state_of(item))} for item in found if item["pk"].startswith("job#")]

    def check(self, *, success_only: bool = False) -> None:
        """Add what is wrong to ``problems``."""
        self.problems += outcome.problems(self.resources, self.kind, self.jobs(), success_only=success_only)
        self.problems += after_problems(self.resources, self.kind, self.jobs(), self.sources, self.newer)


def nothing(request: str) -> None:
    """Called before a request: do nothing."""


def _is_told(job: Mapping[str, Any]) -> bool:
    """Whether the filter of the event source in template.yaml lets a record of the job pass."""
    return job["state"] in ("succeeded", "failed") and job.get("after_state") == "pending"
