"""One run: a job, or many small ones, from upload to end through all faults; what is then wrong; and once more, calmly.

It may end in two ways: as it should, or failed and clean. A job that failed, or whose message came to the dead
letters, is then begun again without faults, and must end as it should.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from faults import outcome
from faults.invocation_request import DEAD, TIMED_OUT, Answer, Invocation, InvocationRequest
from faults.machine import ALL_RETRIES, StateMachineRunner
from faults.proxy import http_proxy
from faults.schedule import Fault, Schedule
from faults.sources import JobKind
from faults.targets import ANY, Aim
from faults.wire import wire
from faults.world import SOURCE, Destination, World
from penstock.jobs.events import notification
from penstock.model.job_status import JobState
from penstock.model.object import Source

# Small jobs have few requests: each is so much likelier to meet a fault.
SMALL = 3
KILLS = 6
# Of invocations: done twice at once, and short of time.
COPIES = 0.05
LATE = 0.1
# The redrive policy of the queue in template.yaml, and the retries of an asynchronous invocation.
RECEIVES = 5
ASYNCHRONOUS = 3
# Runs of the reconciler after which nothing may be left.
RECONCILED = 10
# Longer than any lease.
LONG = 700_000.0

_plain = TypeDeserializer().deserialize


@dataclass
class Result:
    """How a run ended. ``problems`` are what must not be."""

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
    """One run at its place."""

    place: Destination
    kind: JobKind
    seed: int
    rate: float
    aim: Aim = ANY
    schedule: Schedule = field(init=False)
    takeovers: int = 0
    ahead: float = 0.0
    problems: list[str] = field(default_factory=list)
    invocations: int = 0
    played: set[str] = field(default_factory=set)
    sources: list[Source] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    retries: int = ALL_RETRIES

    def __post_init__(self) -> None:
        rate = self.rate if self.kind.large else self.rate * SMALL
        self.schedule = Schedule(
            f"{self.seed} {self.kind.name}", rate, KILLS, preferred=self.aim.preferred, lasting=self.aim.lasting
        )

    def __call__(self) -> Result:
        began = time.monotonic()
        outcome.prepare(self.place, self.kind)
        self.sources = [self.upload(name, data) for name, data in self.kind.files().items()]
        self.deliver()
        states = {job["state"] for job in self.jobs()}
        self.check()
        state = "succeeded" if states == {"succeeded"} else "failed" if "failed" in states else "dead letter"
        orphans = self.settle()
        self.check()
        if any(job["state"] == "failed" for job in self.jobs()):
            self.redrive()
            orphans += self.settle()
        self.check(whole=True)
        self.deliver()  # A copy of the event that comes late changes nothing.
        self.check(whole=True)
        orphans += self.settle()
        self.problems += [str(decision) for decision in self.place.decisions() if not decision.allowed]
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
        """Begin every job again that has failed, and deliver all messages, calmly."""
        self.schedule.calm = True
        failed = [job["pk"].removeprefix("job#") for job in self.jobs() if job["state"] == "failed"]
        self.invoke("begin again", failed)
        self.ahead += LONG
        self.deliver()

    def upload(self, name: str, data: bytes) -> Source:
        key = f"{self.place.name}/{name}"
        answer = self.place.world.client("s3").put_object(Bucket=SOURCE, Key=key, Body=data)
        return Source(SOURCE, key, len(data), answer["ETag"].strip('"'), answer["VersionId"], "0066F5D1B2C3A49D10")

    def deliver(self) -> None:
        """The messages of all sources, as often as the queue does; and what was then handed over, to its end."""
        pending = {str(number): notification(source) for number, source in enumerate(self.sources)}
        for receives in range(1, RECEIVES + 1):
            held = self.held()
            answer = self.invoke("ingest", self.batch(pending, receives))
            taken = {job["pk"]: job["attempts"] for job in self.jobs() if "attempts" in job}
            self.takeovers += sum(taken.get(key, number) > number for key, number in held.items())
            if not answer.error:
                pending = {number: pending[number] for number in answer.value}
            self.play()
            if not pending:
                return
            self.ahead += 1_000.0
        for body in pending.values():
            self.place.bury(body)

    def held(self) -> dict[str, int]:
        """The attempts of jobs that dead ones still hold."""
        return {job["pk"]: job["attempts"] for job in self.jobs() if job["state"] == "running"}

    def batch(self, pending: dict[str, str], receives: int) -> object:
        return {
            "Records": [
                {
                    "messageId": number,
                    "receiptHandle": f"receipt-{number}",
                    "body": body,
                    "attributes": {"ApproximateReceiveCount": str(receives)},
                    "eventSource": "aws:sqs",
                    "eventSourceARN": self.place.queue,
                }
                for number, body in pending.items()
            ]
        }

    def play(self) -> None:
        """Every execution that was started and not yet played."""
        stepfunctions = self.place.world.client("stepfunctions")
        arn = self.place.world.state_machine.replace(":stateMachine:", ":execution:")
        for job in self.jobs():
            name = job.get("execution", "")
            if not name or name in self.played:
                continue
            try:
                given = json.loads(stepfunctions.describe_execution(executionArn=f"{arn}:{name}")["input"])
            except stepfunctions.exceptions.ExecutionDoesNotExist:
                continue
            self.played.add(name)
            failed = StateMachineRunner(self.invoke, self.read, self.wait, self.retries).play(given)
            if failed:
                # The rule on the end of executions, whatever became of the machine's own abort.
                ending = {**given, "error": failed}
                for _ in range(ASYNCHRONOUS):
                    if not self.invoke("abort", ending).error:
                        break

    def settle(self) -> int:
        """Let the reconciler see to all that is left, calmly: how many uploads its sweep has ended."""
        self.schedule.calm = True
        swept = 0
        for _ in range(RECONCILED):
            if self.is_settled():
                break
            swept += self.reconcile_once()
        if not self.is_settled():
            states = sorted(job["state"] for job in self.jobs())
            self.problems.append(f"left without an end: jobs {states}, {len(self.place.uploads())} uploads open")
        return swept

    def is_settled(self) -> bool:
        """Whether every source has a job, every job has an end that is on record, and no upload is open."""
        states = [JobState(job["state"]) for job in self.jobs()]
        return len(states) >= len(self.sources) and all(state.final for state in states) and not self.place.uploads()

    def reconcile_once(self) -> int:
        """One run of the reconciler, and all that it asks for: how many uploads its sweep has ended."""
        self.ahead += LONG
        done = self.invoke("reconcile", {}).value or {}
        while self.asked:
            self.invoke("abort", self.asked.pop())
        if bodies := self.place.take_messages():
            self.invoke("ingest", self.batch({str(number): body for number, body in enumerate(bodies)}, 1))
            self.play()
        return int(done.get("uploads", 0))

    def invoke(self, verb: str, event: Any) -> Answer:
        """One invocation; now and then there are two, of which the second's answer is for nobody."""
        chance = self.schedule.chance(f"invoke {verb}")
        copied = not self.schedule.calm and chance.random() < COPIES
        with ThreadPoolExecutor(2) as pool:
            done = [pool.submit(self.invoke_once, verb, event) for _ in range(2 if copied else 1)]
        return done[0].result()

    def invoke_once(self, verb: str, event: Any) -> Answer:
        chance = self.schedule.chance(f"time of {verb}")
        late = not self.schedule.calm and chance.random() < LATE
        seconds, per_look = (chance.uniform(20, 150), 1.0) if late else (900.0, 0.0)
        invocation = Invocation()

        def end(fault: Fault) -> None:
            invocation.kill(TIMED_OUT if fault is Fault.TIMED_OUT else DEAD)

        with (
            http_proxy(self.place.world.account.endpoint, self.schedule, end, self.asked.append) as endpoint,
            wire(self.place.dsn, self.schedule, end) as dsn,
        ):
            environment = self.place.environment(verb, endpoint, dsn, self.kind.settings)
            answer = invocation.run(InvocationRequest(verb, event, environment, self.ahead, seconds, per_look))
        self.invocations += 1
        if not answer.ours:
            self.problems.append(f"{verb} raised {answer.error}: {answer.message}")
        if answer.error and self.schedule.calm:
            self.problems.append(f"{verb} raised {answer.error} without a fault: {answer.message}")
        return answer

    def wait(self, seconds: float) -> None:
        self.ahead += seconds

    def read(self, bucket: str, key: str) -> bytes:
        data: bytes = self.place.world.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def jobs(self) -> list[dict[str, Any]]:
        """The items of all jobs."""
        found = [{name: _plain(value) for name, value in item.items()} for item in self.place.items(self.place.jobs)]
        return [item for item in found if item["pk"].startswith("job#")]

    def check(self, *, whole: bool = False) -> None:
        """Note what is wrong."""
        self.problems += outcome.problems(self.place, self.kind, self.jobs(), whole=whole)


def run(world: World, kind: JobKind, seed: int, rate: float, aim: Aim = ANY) -> Result:
    """One run."""
    with world.place(f"{kind.name}-{seed}") as place:
        return Run(place, kind, seed, rate, aim)()
