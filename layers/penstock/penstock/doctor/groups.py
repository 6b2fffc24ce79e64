"""The groups of checks, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from penstock.doctor import alarms, buckets, clock, inside, jobs, queue, quotas, rights, routes, stack
from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, guarded

CheckOf: TypeAlias = Callable[[Deployment], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Group:
    """``checks`` by name. The name is shown where a check could not be made."""

    name: str
    title: str
    checks: tuple[tuple[str, CheckOf], ...]

    def findings(self, deployment: Deployment) -> Iterator[Finding]:
        """Yield what the checks find. None hides the others by an error."""
        for name, check in self.checks:
            yield from guarded(name, partial(check, deployment))


GROUPS = (
    Group(
        "stack",
        "Stack",
        (
            ("status", stack.status),
            ("outputs", stack.outputs),
            ("resources", stack.resources),
            ("version", inside.version),
            ("functions", stack.functions),
            ("event sources", stack.mappings),
            ("rules", stack.rules),
            ("state machine", stack.machine),
            ("clock", clock.skew),
        ),
    ),
    Group(
        "routes", "Routes", (("file", routes.readable), ("destinations", routes.destinations), ("after", routes.after))
    ),
    Group(
        "buckets",
        "Buckets",
        (
            ("buckets", buckets.exist),
            ("events", buckets.notify),
            ("versions", buckets.keep),
            ("encryption", buckets.keys),
        ),
    ),
    Group(
        "queue",
        "Queue",
        (("visibility timeout", queue.visibility), ("dead letters", queue.redrive), ("messages", queue.backlog)),
    ),
    Group(
        "jobs",
        "Jobs table and reconciler",
        (
            ("table", jobs.table),
            ("expiry", jobs.expiry),
            ("reconciler's schedule", jobs.schedule),
            ("reconciler's last run", jobs.last_run),
        ),
    ),
    Group("rights", "Rights of the roles, as IAM simulates them", (("roles", rights.roles),)),
    Group("inside", "Tried by the function `check`, as `ingest` would", (("trials", inside.trials),)),
    Group("database", "PostgreSQL, seen by the function `check`", (("database", inside.database),)),
    Group(
        "quotas",
        "Quotas",
        (("Lambda concurrency", quotas.concurrency), ("SQS batch", quotas.batches), ("DynamoDB", quotas.tables)),
    ),
    Group("alarms", "Alarms", (("alarms", alarms.states), ("topics", alarms.topics))),
)
