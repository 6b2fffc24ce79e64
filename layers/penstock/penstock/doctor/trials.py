"""What the function `check` tries: requests without an effect, under the role of `ingest`, in its VPC."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Protocol

from penstock.destinations import DESTINATIONS
from penstock.doctor.finding import Finding, failed, guarded, not_checked, of_check, passed
from penstock.errors import AccessDeniedError, PenstockError, ServiceUnavailableError
from penstock.model.check import Check
from penstock.model.route import Route
from penstock.model.wording import counted
from penstock.routes import Routes

# Services that the functions call, by the names of boto3 and those of VPC endpoints.
SERVICES = {
    "s3": "s3",
    "dynamodb": "dynamodb",
    "sqs": "sqs",
    "stepfunctions": "states",
    "events": "events",
    "secretsmanager": "secretsmanager",
}
# The most prefixes of one bucket that are tried.
MOST_PREFIXES = 5
_GATEWAYS = {"s3", "dynamodb"}


class Trials(Protocol):
    """Each method returns what it did, and raises AccessDeniedError, ServiceUnavailableError and PermanentError."""

    @property
    def region(self) -> str: ...

    def endpoint(self, service: str) -> str:
        """Return host and port of a service."""
        ...

    def reach(self, endpoint: str) -> str:
        """Open a connection; return why there is none, or nothing."""
        ...

    def read_bucket(self, bucket: str, prefix: str) -> str: ...

    def write_bucket(self, bucket: str, prefix: str) -> str: ...

    def read_text(self, bucket: str) -> str: ...

    def read_item(self, table: str) -> str: ...

    def describe_table(self, table: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a function works with. ``secrets`` reads a secret of an archive; ``database`` checks that of the stack, for
    so many connections, and is None for a stack without one."""

    trials: Trials
    source_buckets: Sequence[str]
    destination_buckets: Sequence[str]
    work_bucket: str
    jobs_table: str
    records_table: str
    routes: Callable[[], Routes]
    secrets: Callable[[str], object]
    database: Callable[[Routes, int], Iterable[Check]] | None


def try_all(place: Workplace) -> Iterator[Finding]:
    """Yield what each request finds. Services that cannot be reached are asked nothing."""
    services = [name for name in SERVICES if name != "secretsmanager" or place.database or _secrets(place)]
    away = yield from _reach(place.trials, services)
    for service, name, work in _requests(place):
        if service in away:
            yield not_checked(name, f"{SERVICES[service]} cannot be reached")
        else:
            yield tried(name, work)


def _requests(place: Workplace) -> Iterator[tuple[str, str, Callable[[], str]]]:
    trials = place.trials
    yield "s3", "routes", lambda: f"{counted(len(place.routes().routes), 'route')} read"
    routes = _routes(place)
    for bucket in place.source_buckets:
        for prefix in read_prefixes(routes, bucket):
            yield "s3", f"read {bucket}/{prefix}".rstrip("/"), partial(trials.read_bucket, bucket, prefix)
    for bucket in place.destination_buckets:
        for prefix in written_prefixes(routes, bucket):
            yield "s3", f"write {bucket}/{prefix}".rstrip("/"), partial(trials.write_bucket, bucket, prefix)
    yield "s3", f"read {place.work_bucket}", partial(trials.read_text, place.work_bucket)
    yield "dynamodb", f"read {place.jobs_table}", partial(trials.read_item, place.jobs_table)
    if place.records_table:
        yield "dynamodb", f"table {place.records_table}", partial(trials.describe_table, place.records_table)
    for secret in _secrets(place):
        yield "secretsmanager", f"secret {secret}", partial(_read_secret, place, secret)


def _reach(trials: Trials, services: Sequence[str]) -> Generator[Finding, None, set[str]]:
    """Open a connection to each service at once. Returns the services that are away."""
    endpoints = [trials.endpoint(service) for service in services]
    with ThreadPoolExecutor(len(services)) as pool:
        problems = dict(zip(services, pool.map(trials.reach, endpoints), strict=True))
    for service, endpoint in zip(services, endpoints, strict=True):
        if problem := problems[service]:
            yield failed(f"reach {SERVICES[service]}", f"{endpoint}: {problem}", _endpoint(trials, service))
    away = {service for service, problem in problems.items() if problem}
    if not away:
        yield passed("network", f"{', '.join(SERVICES[service] for service in services)} can be reached")
    return away


def _endpoint(trials: Trials, service: str) -> str:
    name = f"com.amazonaws.{trials.region}.{SERVICES[service]}"
    if service in _GATEWAYS:
        return (
            f"Create a gateway endpoint {name} for the route tables of the subnets in VpcSubnetIds, or a NAT gateway."
        )
    return (
        f"Create an interface endpoint {name} in the subnets of VpcSubnetIds, with private DNS and a security group "
        "that lets the groups of VpcSecurityGroupIds in on port 443; or a NAT gateway."
    )


def tried(name: str, work: Callable[[], str]) -> Finding:
    """Return what a request found. A right that is missing is a failure here, not a check that could not be made."""
    try:
        return passed(name, work())
    except AccessDeniedError as error:
        return failed(
            name,
            f"access denied: {error.right}",
            "Allow it in the policy of the role (for a stack, see the rights of the roles), in that of the bucket or "
            "secret, which may deny it, and in that of the KMS key.",
        )
    except ServiceUnavailableError as error:
        hint = "" if error.hint == error.default_hint else error.hint
        return failed(name, str(error), hint or "Check again. If it lasts, look at the network of the functions.")
    except PenstockError as error:
        return failed(name, str(error), error.hint)


def check_database(place: Workplace, connections: int) -> Iterator[Finding]:
    """Yield what the database of the stack finds. A stack without one needs none, unless a route leads there."""
    database = place.database
    if database is None:
        for route in (one for one in _routes(place) if one.plan and DESTINATIONS[one.store].takes_dsn):
            yield failed(
                f"route {route.name}",
                f"goes to {route.store}, and the stack names no database",
                "Deploy the stack with PostgresSecretArn (a DSN or the JSON of an RDS secret in Secrets Manager).",
            )
        return
    routes = _readable(place)
    yield from guarded("connection", lambda: map(of_check, database(routes or Routes((), ""), connections)))
    if routes is None:
        yield not_checked("tables", "needs the routes file, which cannot be read")


def _secrets(place: Workplace) -> list[str]:
    """The secrets with passwords of archives."""
    return sorted({route.password_secret for route in _routes(place) if route.password_secret})


def _routes(place: Workplace) -> Sequence[Route]:
    """The routes; none if they cannot be read, which another line says."""
    known = _readable(place)
    return known.routes if known else ()


def _readable(place: Workplace) -> Routes | None:
    try:
        return place.routes()
    except PenstockError:
        return None


def read_prefixes(routes: Sequence[Route], bucket: str) -> list[str]:
    """Return what keys of a bucket begin with, by the routes that take them: a policy may allow only these."""
    patterns = [
        pattern
        for route in routes
        if not route.is_for_members and fnmatchcase(bucket, route.source_bucket)
        for pattern in route.match
    ]
    return _few(re.split(r"[*?\[]", pattern)[0] for pattern in patterns)


def written_prefixes(routes: Sequence[Route], bucket: str) -> list[str]:
    """Return what keys begin with that routes write to a bucket."""
    targets = [
        route.destination.removeprefix("s3://").partition("/")
        for route in routes
        if not route.takes_apart and not DESTINATIONS[route.store].takes_rows
    ]
    return _few(key.partition("{")[0] for name, _, key in targets if name == bucket)


def _few(prefixes: Iterable[str]) -> list[str]:
    """Return a few prefixes, without the last part, which may be the name of one object; that of the bucket if none."""
    return list(dict.fromkeys(prefix[: prefix.rfind("/") + 1] for prefix in prefixes))[:MOST_PREFIXES] or [""]


def _read_secret(place: Workplace, secret: str) -> str:
    place.secrets(secret)
    return "was read"
