"""A deployed stack in memory: its services, what they cause, and its functions, all under one scheduler."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from faults.invocation_request import InvocationResult
from faults.machine import StateMachineRunner

from penstock.errors import PenstockError
from penstock.jobs.events import notification
from penstock.model.object import Source
from simulation.chaos import Chaos
from simulation.dynamodb import MemoryDynamoDB
from simulation.environment import Clients, Configuration, Environment
from simulation.expressions import Item
from simulation.functions import PART, Functions
from simulation.plan import COPIES, DUPLICATES, LAG, LAKE, LOST_EVENTS, REORDER, ROUTES, SKEW, THROTTLED, WRITERS, Plan
from simulation.queues import MemoryLambda, MemoryQueues, MemoryStepFunctions
from simulation.requests import Requests
from simulation.rights import DROPS, JOBS, PLAIN, RECORDS, RESULTS, WORK, rights, roles
from simulation.s3 import MemoryS3
from simulation.scheduler import KilledError, Scheduler, Task

START = 1_795_249_800.0
HIDDEN = 5_400.0
RECEIVES = 5
ASYNCHRONOUS = 3
# What the function `after` is told of: states of a job, with an action to be done.
TOLD = (("succeeded", "pending"), ("failed", "pending"))
STREAM_TRIES = 4
# How often somebody else writes to the destinations of a history.
MOST_WRITTEN = 3
OPEN = ("open#", "after#", "unused#")


@dataclass
class Ticking:
    """The time that is left to an invocation."""

    scheduler: Scheduler
    task: Task

    def remaining(self) -> float:
        return self.task.deadline - self.scheduler.now


@dataclass
class Stack:
    """``problems`` are errors of functions that no function may have. ``transitions`` counts states of jobs."""

    plan: Plan
    problems: list[str] = field(default_factory=list)
    transitions: dict[tuple[str, str], int] = field(default_factory=dict)
    invocations: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    has_reconciled: bool = False
    crash: BaseException | None = None
    written: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        seed = self.plan.seed
        self.random = Random(f"stack {seed}")
        self.scheduler = Scheduler(Random(f"order {seed}"), START)
        self.chaos = Chaos(
            Random(f"faults {seed}"), self.plan.kinds, self.plan.rate, self.plan.most_faults, self.plan.marks
        )
        self.chaos.note = self.note
        self.is_calm = False
        self.limit = self.plan.limit
        self.s3 = MemoryS3(
            self.now, caller=self._caller, created=self._upload_created, copied=self._copied, min_part=PART
        )
        for bucket in (DROPS, PLAIN, RESULTS, WORK):
            self.s3.create_bucket(Bucket=bucket)
        for bucket in (DROPS, RESULTS):
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.dynamodb = MemoryDynamoDB(self.now, self._lag, self._changed)
        self.dynamodb.create_table(TableName=JOBS)
        self.dynamodb.create_table(TableName=RECORDS, KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
        self.queues = MemoryQueues(self.now, self._message_at, self._message_delay)
        self.stepfunctions = MemoryStepFunctions(self._begin_execution)
        self.lambdas = MemoryLambda(self._call_later)
        self.configuration = Configuration(ROUTES)
        self.rights = rights()
        random = Random(f"requests {seed}")
        self.requests = Requests(self.scheduler, self.chaos, self.rights, random, self.plan.seconds)
        self.clients = Clients(
            *(
                self.requests.client(service, fake)
                for service, fake in (
                    ("s3", self.s3),
                    ("dynamodb", self.dynamodb),
                    ("sqs", self.queues),
                    ("stepfunctions", self.stepfunctions),
                    ("lambda", self.lambdas),
                    ("items", self.dynamodb),
                )
            )
        )
        self.executions: dict[str, Task] = {}
        self._environments: dict[tuple[str, int], Environment] = {}
        self._names = Random(f"names {seed}")

    def now(self) -> float:
        return self.scheduler.now

    def disturbed(self, what: str, share: float) -> bool:
        """Whether something between services goes another way than usual."""
        drawn = self.random.random() < share
        return drawn and not self.is_calm and what in self.plan.disturbances

    def invoke(self, verb: str, event: Any, ended: Callable[[Task], None] = lambda _: None) -> Task:
        """Invoke a function. ``ended`` is called with its task at its end."""
        skew = self.random.uniform(-20.0, 20.0)
        skew = skew if SKEW in self.plan.disturbances else 0.0
        task = Task(verb, lambda: None)
        clock = lambda: self.scheduler.now + skew  # noqa: E731  # that of its machine
        environment = self._environments.setdefault(
            (verb, self.random.randrange(2)), Environment(lambda: self.configuration.routes, self.now)
        )
        functions = Functions(
            self.clients,
            self.configuration,
            environment.routes,
            clock=clock,
            sleep=self.scheduler.wait,
            new_id=lambda: f"{self._names.getrandbits(128):032x}",
            jitter=self._names.random,
        )

        def work() -> Any:
            task = self.scheduler.current
            assert task
            task.deadline = self.now() + self.limit
            return getattr(functions, verb)(event, Ticking(self.scheduler, task))

        self.invocations.append(verb)
        if verb != "reconcile":
            self.note(f"{verb} begins: {str(event)[:160]}")
        task = self.scheduler.start(verb, work, delay=self.random.uniform(0.0, 0.5), role=roles()[verb])
        task.before_end = partial(self._ended, ended)
        return task

    def _ended(self, then: Callable[[Task], None], task: Task) -> None:
        if not isinstance(task.error, PenstockError | KilledError | None):
            self.problems.append(f"{task.name} raised {type(task.error).__name__}: {task.error}")
            self.crash = task.error
        what = f"{type(task.error).__name__}: {task.error}" if task.error else str(task.result)
        self.note(f"{task.name} ends: {what[:160]}")
        then(task)

    def note(self, what: str) -> None:
        """Note what has happened."""
        self.log.append(f"{self.now() - START:>12.2f}  {what}")

    def send(self, queue: str, body: str) -> None:
        """Send a message, as S3 does."""
        self.queues.send_message(QueueUrl=f"/{queue}", MessageBody=body)

    def stop_execution(self, name: str) -> None:
        """Stop an execution, as an operator does in the console. Its functions go on."""
        if self.stepfunctions.runs[name].status == "RUNNING":
            self._end_execution(name, "ABORTED", {})
            self.scheduler.kill(self.executions[name])

    def _upload_created(self, bucket: str, key: str) -> None:
        """Sometimes somebody else changes the destination before an upload to it is completed."""
        if (
            bucket == RESULTS
            and not key.startswith(LAKE)
            and len(self.written) < MOST_WRITTEN
            and self.disturbed(WRITERS, 0.4)
        ):
            self.written.append(key)
            deletes = self.random.random() < 0.3
            delay = self.random.uniform(0.0, 60.0 * self.plan.seconds)
            self.scheduler.call(delay, partial(self._change_destination, bucket, key, deletes=deletes))

    def _copied(self, bucket: str, key: str) -> None:
        """S3 notifies of each object in a source bucket, also of one that `after` has moved."""
        if bucket not in (DROPS, PLAIN):
            return
        there = self.s3.current(bucket, key)
        assert there
        assert there.data is not None
        number = f"{there.number:016X}"
        self.send("ingest", notification(Source(bucket, key, len(there.data), there.etag, there.id, number)))

    def _change_destination(self, bucket: str, key: str, *, deletes: bool) -> None:
        if deletes:
            self.s3.delete_object(Bucket=bucket, Key=key)
        else:
            self.s3.put_object(Bucket=bucket, Key=key, Body=b"somebody else's")

    def _caller(self) -> str:
        task = self.scheduler.current
        role = self.requests.role_of_late or (task.role if task else "")
        return f"arn:aws:sts::000000000000:assumed-role/{role}/session" if role else ""

    def _lag(self) -> float:
        return self.random.uniform(0.0, 300.0) if self.disturbed(LAG, 0.3) else 0.01

    def _message_delay(self) -> float:
        return self.random.uniform(0.0, 3_000.0) if self.disturbed(REORDER, 0.3) else self.random.uniform(0.0, 1.0)

    def _message_at(self, queue: str, at: float) -> None:
        if queue == "ingest":
            self.scheduler.call(max(0.0, at - self.now()), self._poll)

    def _poll(self) -> None:
        """Receive messages, as Lambda's poller does, and invoke `ingest` with them."""
        taken = self.queues.take("ingest", self.random.randint(1, self.plan.batch), HIDDEN)
        for one in [one for one in taken if one.receives > RECEIVES]:
            taken.remove(one)
            del self.queues.messages["ingest"][one.id]
            self.send("dead", one.body)
        if not taken or self._is_throttled():
            return
        records = [
            {
                "messageId": one.id,
                "receiptHandle": one.handle,
                "body": one.body,
                "attributes": {"ApproximateReceiveCount": str(one.receives)},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:ingest",
            }
            for one in taken
        ]
        handles = {one.id: one.handle for one in taken}
        self.invoke("ingest", {"Records": records}, partial(self._received, handles))
        if self.disturbed(DUPLICATES, 0.3):
            # At least once: a copy of the messages is delivered, too.
            event = {"Records": records}
            self.scheduler.call(self.random.uniform(0.0, 200.0), lambda: self.invoke("ingest", event))

    def _is_throttled(self) -> bool:
        """Whether received messages stay in the queue, with one receive more.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        """
        return THROTTLED in self.plan.disturbances and self.disturbed(THROTTLED, 0.8)

    def _received(self, handles: Mapping[str, str], task: Task) -> None:
        """Delete the messages that an invocation has processed."""
        if task.error:
            return
        failed = {one["itemIdentifier"] for one in task.result["batchItemFailures"]}
        for name, handle in handles.items():
            if name not in failed:
                self.queues.delete_message(QueueUrl="/ingest", ReceiptHandle=handle)

    def _begin_execution(self, name: str) -> None:
        runner = StateMachineRunner(
            self._invoke_and_wait,
            self._read,
            self.scheduler.wait,
            lambda: None,
            together=self._together,
        )
        payload = json.loads(self.stepfunctions.runs[name].payload)

        def work() -> None:
            failed = runner.run(payload)
            self._end_execution(name, "FAILED" if failed else "SUCCEEDED", failed or {})

        self.executions[name] = self.scheduler.start(f"execution {name}", work, delay=self.random.uniform(0.0, 1.0))

    def _end_execution(self, name: str, status: str, error: Mapping[str, str]) -> None:
        run = self.stepfunctions.runs[name]
        run.status, run.error, run.cause = status, error.get("Error", ""), error.get("Cause", "")
        if status == "SUCCEEDED" or self.disturbed(LOST_EVENTS, 0.5):
            return
        # The rule of template.yaml, and what functions/abort makes of its event.
        caught = {"Error": run.error or status, "Cause": run.cause or f"the execution ended with status {status}"}
        self._call_later("abort", {**json.loads(run.payload), "error": caught})

    def _read(self, bucket: str, key: str) -> bytes:
        data: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def _invoke_and_wait(self, verb: str, event: Any) -> InvocationResult:
        """Invoke a function for an execution, and wait. Sometimes it runs twice: then one result is taken."""
        task = self.invoke(verb, event)
        if self.disturbed(COPIES, 0.2):
            delay = self.random.choice((0.0, self.random.uniform(0.0, 60.0), self.random.uniform(0.0, 1_000.0)))
            self.scheduler.call(delay, lambda: self.invoke(verb, event))
        self.scheduler.join_any([task])
        if isinstance(task.error, KilledError):
            return InvocationResult(error="Sandbox.Timedout" if task.timed_out else "Runtime.ExitError")
        if task.error:
            return InvocationResult(error=type(task.error).__name__, message=str(task.error))
        return InvocationResult(task.result)

    def _together(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run the items of a Map. After the first that fails the others are not retried, but their functions go on."""
        tasks = [self.scheduler.start("item", call) for call in calls]
        while left := [one for one in tasks if not one.has_ended]:
            if any(one.error for one in tasks):
                break
            self.scheduler.join_any(left)
        for one in tasks:
            if not one.has_ended:
                self.scheduler.kill(one)
        return [one.error or one.result for one in tasks]

    def _call_later(self, verb: str, event: Any, tries: int = ASYNCHRONOUS) -> None:
        """Call a function asynchronously: at least once, with two retries, then a dead letter."""
        delay = self.random.uniform(0.0, 2_000.0) if self.disturbed(REORDER, 0.3) else 0.1
        times = 2 if self.disturbed(DUPLICATES, 0.3) else 1

        def ended(task: Task) -> None:
            if not task.error:
                return
            if tries > 1:
                again = partial(self._call_later, verb, event, tries - 1)
                self.scheduler.call(60.0 * (ASYNCHRONOUS + 1 - tries), again)
            else:
                self.send("dead", json.dumps({"requestPayload": event}))

        for number in range(times):
            then = ended if not number else lambda _: None
            self.scheduler.call(delay * (1 + number), partial(self._begin_call, verb, event, then))

    def _begin_call(self, verb: str, event: Any, then: Callable[[Task], None]) -> None:
        self.invoke(verb, event, then)

    def start_reconciling(self) -> None:
        """Run the reconciler every minute in which it may find something."""
        self.scheduler.call(0.0, self._reconcile)

    def _reconcile(self) -> None:
        now = self.now()
        dues = [*self.dynamodb.due_times(JOBS, OPEN), *self._task_times()]
        if not self.has_reconciled or (dues and min(dues) <= now):
            self.has_reconciled = True
            self.invoke("reconcile", {})
            self.scheduler.call(60.0, self._reconcile)
            return
        # A job that begins now is due in a minute at the earliest.
        self.scheduler.call(min(600.0, max(60.0, min(dues, default=float("inf")) - now)), self._reconcile)

    def _task_times(self) -> Sequence[float]:
        """When the tasks of the reconciler are due that have something to do."""
        wanted = {"uploads": self.s3.uploads, "dead-letters": self.queues.messages.get("dead")}
        items = [self.dynamodb.tables[JOBS].get(f"task#{name}") for name, found in wanted.items() if found]
        return [float(one["due_at"]["N"]) for one in items if one]

    def _changed(self, table: str, key: str, old: Item, new: Item) -> None:
        """See a write to the jobs table: what its stream tells."""
        if table == JOBS and key.startswith("job#"):
            before, after = (one.get("state", {}).get("S", "none") for one in (old, new))
            if before != after:
                self.note(f"{key[:12]}: {before} -> {after}")
            if (after, new.get("after_state", {}).get("S")) in TOLD:
                self._tell(key)
            self.transitions[before, after] = self.transitions.get((before, after), 0) + 1

    def _tell(self, key: str, tries: int = STREAM_TRIES) -> None:
        """Invoke `after` with a record of the stream, as the filter in template.yaml lets it pass."""
        if self.disturbed(LOST_EVENTS, 0.2):
            return
        event = {"Records": [{"dynamodb": {"Keys": {"pk": {"S": key}}, "SequenceNumber": "1"}}]}

        def ended(task: Task) -> None:
            if tries > 1 and (task.error or task.result["batchItemFailures"]):
                self.scheduler.call(1.0, partial(self._tell, key, tries - 1))

        for number in range(2 if self.disturbed(DUPLICATES, 0.3) else 1):
            delay = self.random.uniform(0.0, 100.0) if number or self.disturbed(REORDER, 0.3) else 0.3
            self.scheduler.call(delay, partial(self._begin_call, "after", event, ended))

    def close(self) -> None:
        """End all tasks."""
        with suppress(KilledError):
            self.scheduler.close()
