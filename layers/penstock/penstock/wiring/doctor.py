"""The checks of `penstock doctor`, for a stack or for a database alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from penstock.aws.access import Access
from penstock.aws.inspection.buckets import BucketReader
from penstock.aws.inspection.functions import CALL_CONFIG, FunctionReader
from penstock.aws.inspection.notices import AlarmReader, RuleReader, TopicReader
from penstock.aws.inspection.queues import QueueReader
from penstock.aws.inspection.roles import RoleReader
from penstock.aws.inspection.stacks import StackReader
from penstock.aws.inspection.tables import TableReader
from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, Level
from penstock.doctor.groups import GROUPS, Group
from penstock.doctor.ports import Services
from penstock.routes import Routes
from penstock.wiring.cli import CliClients, read_routes, stack_environment

__all__ = ["GROUPS", "Finding", "Group", "Level", "examine_stack"]


def examine_stack(
    access: Access, stack: str, groups: Collection[str] = ()
) -> Iterator[tuple[Group, Iterator[Finding]]]:
    """Yield each group with its findings, which are made as they are read. Without names, all groups.

    Raises ConfigurationError for a stack that does not exist.
    """
    deployment = Deployment(stack, services(access, stack))
    for group in GROUPS:
        if not groups or group.name in groups:
            yield group, group.findings(deployment)


def services(access: Access, stack: str) -> Services:
    """Return the readers of an account. Each creates its client when it is asked."""

    def client(service: str) -> Callable[[], Any]:
        return partial(access.client, service)

    return Services(
        stacks=StackReader(client("cloudformation")),
        functions=FunctionReader(partial(access.client, "lambda", CALL_CONFIG)),
        queues=QueueReader(client("sqs"), client("cloudwatch")),
        buckets=BucketReader(client("s3"), client("sts")),
        tables=TableReader(client("dynamodb")),
        roles=RoleReader(client("iam")),
        rules=RuleReader(client("events")),
        topics=TopicReader(client("sns")),
        alarms=AlarmReader(client("cloudwatch")),
        routes=_StackRoutes(access, stack),
    )


@dataclass(frozen=True, slots=True)
class _StackRoutes:
    """Implements ``RoutesFile``, as `penstock routes check --stack` reads them."""

    access: Access
    stack: str

    def read(self) -> tuple[str, Routes]:
        clients = CliClients(
            self.access.profile,
            self.access.region,
            self.access.endpoint_url,
            self.access.access_key_id,
            self.access.secret_access_key,
        )
        environment = stack_environment(clients, self.stack)
        return read_routes(clients, environment.routes_uri, environment.names, environment.buckets)
