"""The checks of `penstock doctor`, for a stack or for a database alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from penstock.aws.access import Access
from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.aws.inspection.buckets import BucketReader
from penstock.aws.inspection.functions import CALL_CONFIG, FunctionReader, MachineReader
from penstock.aws.inspection.notices import AlarmReader, RuleReader, TopicReader
from penstock.aws.inspection.queues import QueueReader
from penstock.aws.inspection.roles import RoleReader
from penstock.aws.inspection.stacks import StackReader
from penstock.aws.inspection.tables import TableReader
from penstock.aws.inspection.trials import CONFIG, AwsTrials
from penstock.aws.key_access import KmsKeys
from penstock.destinations import DESTINATIONS
from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, Level, guarded, of_check
from penstock.doctor.groups import GROUPS, Group
from penstock.doctor.ports import Services
from penstock.doctor.trials import tried
from penstock.errors import AccessDeniedError, ConfigurationError
from penstock.model.check import Check
from penstock.model.route import Route
from penstock.model.s3_uri import S3_SCHEME
from penstock.routes import Routes
from penstock.run.destination_spec import DestinationSpec
from penstock.wiring.cli import CliClients, read_routes, stack_environment
from penstock.wiring.database_check import check_dsn

__all__ = ["GROUPS", "Finding", "Group", "Level", "examine_destination", "examine_stack"]

_TRY_IT = "Try it: `penstock run` says what is missing before its first row."


def examine_stack(
    access: Access, stack: str, groups: Collection[str] = ()
) -> Iterator[tuple[Group, Iterator[Finding]]]:
    """Yield each group with its findings, which are made as they are read. Without names, all groups.

    Raises ConfigurationError for a stack that does not exist.
    """
    deployment = Deployment(stack, services(access, stack))
    # What every check would meet: no credentials, no stack of this name, no network.
    with suppress(AccessDeniedError), cli_errors(f"stack {stack}", again=RUN_AGAIN):
        deployment.stack  # noqa: B018  # is read once, and remembered
    for group in GROUPS:
        if not groups or group.name in groups:
            yield group, group.findings(deployment)


def examine_destination(
    access: Access, to: str, dsn: str, table: Mapping[str, object], connections: int
) -> Iterator[tuple[Group, Iterator[Finding]]]:
    """Yield what `penstock run --to` would meet: the group of a destination, or that of a database without a table.

    Raises InvalidRouteError for a destination that is none, or for a table that it does not support, and
    ConfigurationError for one that only a run can try.
    """
    route = DestinationSpec(to, table=table).route() if to else None
    kind = DESTINATIONS[route.store] if route else None
    if kind is None or kind.takes_dsn:
        group = Group("database", "Database", ())
        yield group, guarded("database", lambda: map(of_check, _of_database(dsn, route, connections)))
        return
    trials = AwsTrials(lambda service: access.client(service, CONFIG))
    place = to.removeprefix(kind.prefix) if kind.has_places else to
    if kind.takes_rows and not kind.writes_files:
        name = to.partition(":")[2]
        yield Group("table", "Table", ()), _request(f"table {name}", partial(trials.describe_table, name))
    elif not place.startswith(S3_SCHEME):
        raise ConfigurationError(f"{to}: only buckets, databases and tables of DynamoDB are checked", hint=_TRY_IT)
    else:
        bucket, _, key = place.removeprefix(S3_SCHEME).partition("/")
        prefix = key[: key.rfind("/") + 1]
        yield Group("bucket", "Bucket", ()), _request(f"write {bucket}", partial(trials.write_bucket, bucket, prefix))


def _request(name: str, work: Callable[[], str]) -> Iterator[Finding]:
    """Yield what one request finds, with the hints for a user of the command."""

    def sent() -> str:
        with cli_errors(name, again=RUN_AGAIN):
            return work()

    yield tried(name, sent)


def _of_database(dsn: str, route: Route | None, connections: int) -> Iterator[Check]:
    if not dsn:
        raise ConfigurationError("no database is given", hint="Give --dsn, or set PENSTOCK_POSTGRES_DSN.")
    yield from check_dsn(dsn, route.plan.table if route and route.plan else None, connections)


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
        machines=MachineReader(client("stepfunctions")),
        keys=_Keys(KmsKeys(client("kms"))),
        topics=TopicReader(client("sns")),
        alarms=AlarmReader(client("cloudwatch")),
        routes=_StackRoutes(access, stack),
    )


@dataclass(frozen=True, slots=True)
class _Keys:
    """Implements ``Keys``."""

    keys: KmsKeys

    def state(self, key: str) -> str:
        return str(self.keys.describe(key)["KeyState"])


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
