"""The routes: readable, valid, and to destinations that the stack may write to."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.destinations import DESTINATIONS
from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, NotDeployedError, failed, not_checked, passed, warning
from penstock.errors import ConfigurationError, InvalidRouteError
from penstock.model.after import AfterLevel
from penstock.model.route import Route
from penstock.model.wording import counted
from penstock.routes import Routes
from penstock.routes.covering import never_taken
from penstock.routes.stack_buckets import refuse_unlisted_destinations, unheard

UNREADABLE = "needs the routes file: see above"
_CHECK = (
    "Correct the routes, check the file, and write it to RoutesUri:\npenstock routes check FILE --stack {stack}\n"
    "aws s3 cp FILE ROUTES_URI"
)


def readable(stack: Deployment) -> Iterator[Finding]:
    """Whether the routes can be read and are valid, and each gets keys."""
    try:
        file, routes = stack.routes
    except NotDeployedError:
        raise
    except ConfigurationError as error:
        yield failed("file", str(error), f"{error.hint}\n{_CHECK.format(stack=stack.name)}".strip())
        return
    yield passed("file", f"{counted(len(routes.routes), 'route')} in {file}")
    for route, before in never_taken(routes.routes):
        yield warning(
            f"route {route.name}",
            f"never gets a key: the earlier route {before.name} matches all of its keys",
            f"Move route {route.name} before {before.name} in {file}, or remove it.",
        )
    for route in unheard(routes.routes, routes.buckets):
        yield warning(
            f"route {route.name}",
            f"never gets a key: its source_bucket {route.source_bucket} matches no source bucket of the stack",
            f"Correct source_bucket in {file}, or add the bucket to the parameter SourceBucketNames.",
        )


def destinations(stack: Deployment) -> Iterator[Finding]:
    """Whether the stack may write to the destination of each route."""
    if (known := _readable(stack)) is None:
        yield not_checked("destinations", UNREADABLE)
        return
    file, routes = known
    problems = [problem for route in routes.routes for problem in _problems(route, routes, stack, file)]
    yield from problems
    if not problems:
        yield passed("destinations", "the stack may write to all of them")


def after(stack: Deployment) -> Iterator[Finding]:
    """Whether the stack allows what routes do to objects after their jobs."""
    if (known := _readable(stack)) is None:
        yield not_checked("after", UNREADABLE)
        return
    _, routes = known
    level = AfterLevel(stack.stack.parameters.get("AfterActions", AfterLevel.NONE))
    acting = [route for route in routes.routes if route.after]
    bad = [(route, one) for route in acting for one in (route.after.actions if route.after else ())]
    bad = [(route, one) for route, one in bad if not level.allows(one)]
    for route, one in bad:
        yield failed(
            f"route {route.name}, after",
            f"the stack does not allow {one.text}: its AfterActions is {level}",
            f"Deploy the stack with AfterActions={one.level}.",
        )
    if acting and not bad:
        yield passed("after", f"{counted(len(acting), 'route')} within AfterActions={level}")


def _readable(stack: Deployment) -> tuple[str, Routes] | None:
    """Return the file and its routes; None if `readable` says why not."""
    try:
        return stack.routes
    except NotDeployedError:
        raise
    except ConfigurationError:
        return None


def _problems(route: Route, routes: Routes, stack: Deployment, file: str) -> Iterator[Finding]:
    name = f"route {route.name}"
    try:
        refuse_unlisted_destinations([route], routes.buckets, file)
    except InvalidRouteError as error:
        yield failed(name, str(error), error.hint)
    destination = DESTINATIONS.get(route.store)  # none for a route that takes archives apart
    if destination is None or not destination.takes_rows or destination.writes_files:
        return  # buckets are checked above
    if not destination.takes_dsn:
        own = stack.output("RecordsTableName")
        for table in sorted(_tables(route) - {own}):
            yield failed(
                name,
                f"the functions may not write to table {table}",
                f'Write destination = "dynamodb:{{records_table}}" in {file}: the stack has rights to {own} only.',
            )
    elif not _has_database(stack):
        yield failed(
            name,
            f"goes to {destination.name}, and the stack names no database",
            "Deploy the stack with PostgresSecretArn (a DSN or the JSON of an RDS secret in Secrets Manager).",
        )


def _tables(route: Route) -> set[str]:
    if route.plan and route.plan.choice:
        return {table.name for table in route.plan.choice.tables.values()}
    return {route.destination.partition(":")[2]}


def _has_database(stack: Deployment) -> bool:
    return any(stack.stack.parameters.get(name) for name in ("PostgresSecretArn", "PostgresDsn"))
