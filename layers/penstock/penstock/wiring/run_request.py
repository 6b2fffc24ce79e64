"""The request of a run: its source, route and destination."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from pathlib import Path

from penstock.codecs import strip_suffix
from penstock.errors import InvalidRouteError
from penstock.formats import choose_format, ignored_options, resolve
from penstock.model.object import Source, Target
from penstock.model.parse_options import Format
from penstock.model.route import Route, TableTarget
from penstock.model.s3_uri import split
from penstock.routes import BUCKET_NAME, Routes, destination_of
from penstock.run.destination_spec import DestinationSpec
from penstock.run.loads import UNKNOWN, ExternalSource
from penstock.run.local_source import PipeSource
from penstock.tables import tables_of
from penstock.wiring.cli import CliClients, read_routes, stack_environment
from penstock.wiring.source_resolver import STANDARD_INPUT, ResolvedSource, SourceResolver, bucket_and_key

STDIN = 0


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The source, the route and the destination of a run. ``routes`` are those of a routes file, if it is used."""

    resolved: ResolvedSource
    route: Route
    target: Target | TableTarget | Path
    routes: Routes | None = None


def request_by_destination(resolver: SourceResolver, text: str, as_key: str, spec: DestinationSpec) -> RunRequest:
    """Create a request for a given destination. Raises InvalidRouteError, and the errors of finding the source."""
    route = spec.route()
    bucket, key = bucket_and_key(text, "")
    resolved = resolver.find(text, (bucket, as_key or key), _pipe(text, route))
    refuse_ignored_options(route, resolved.source)
    return RunRequest(resolved, route, target_of(route, resolved.source))


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """A routes file, or that of a deployed stack. Without ``name``, the route is the one that matches the key."""

    file: str
    stack: str = ""
    name: str = ""


def request_by_route(
    clients: CliClients, resolver: SourceResolver, text: str, as_key: str, choice: RouteChoice
) -> RunRequest:
    """Create a request for a route. Raises InvalidRouteError, and the errors of reading routes and source."""
    stack = stack_environment(clients, choice.stack)
    file, routes = read_routes(clients, choice.file or stack.routes_uri, stack.names, stack.buckets)
    bucket, key = bucket_and_key(text, routes.source_bucket)
    key = as_key or key
    route = _named(routes, choice.name, file) if choice.name else routes.find(bucket, key)
    if route is None:
        raise InvalidRouteError(
            f"{file}: no route matches {key!r}", hint="Choose a route with --route, or another key with --as."
        )
    resolved = resolver.find(text, (bucket, key), _pipe(text, route))
    target = destination_of(route, resolved.source)
    if isinstance(target, Target) and target.bucket in stack.names and stack.names[target.bucket] == target.bucket:
        raise InvalidRouteError(
            f"{file}: route {route.name!r}: destination: the name of {target.bucket!r} is only known for a stack",
            hint="Give the stack: --stack NAME.",
        )
    return RunRequest(resolved, route, target, routes)


def refuse_ignored_options(route: Route, source: Source) -> None:
    """Raises InvalidRouteError for an option that means nothing to the format of a source."""
    if route.plan is None:
        return
    need_format(route, source)
    options = resolve(source.key, route.plan.parse)
    if ignored := ignored_options(options):
        raise InvalidRouteError(
            f"{source.uri}: the option {ignored[0]!r} means nothing for {options.format}",
            hint="Leave it out, or choose another format with --format.",
        )


def need_format(route: Route, source: Source) -> None:
    """Raises InvalidRouteError if neither the route nor the name of the source shows the format of its records."""
    if route.plan and route.plan.parse.format is Format.AUTO:
        try:
            choose_format(source.key, route.plan.parse)
        except InvalidRouteError as error:
            *others, last = (name for name in Format if name is not Format.AUTO)
            error.hint = f"Give --format {', '.join(others)} or {last}."
            raise


def is_folder(to: str) -> bool:
    """Return whether a destination, which is no table, is a folder or a prefix."""
    if to.startswith("s3://"):
        _, key = split(to)
        return not key or key.endswith("/")
    return to.endswith("/") or Path(to).is_dir()


def target_of(route: Route, source: Source, name: str = "") -> Target | TableTarget | Path:
    """Return the destination of a source. In a folder it has the last part of its key as a name, or ``name``, without
    the suffix of a codec. Raises InvalidRouteError."""
    if route.plan is not None:
        return destination_of(route, source)
    if route.destination == STANDARD_INPUT:
        return Path(STANDARD_INPUT)
    to, name = route.destination, strip_suffix(name or posixpath.basename(source.key))
    is_object = to.startswith("s3://")
    bucket, key = split(to) if is_object else ("", "")
    if is_object and not BUCKET_NAME.fullmatch(bucket):
        raise InvalidRouteError(f"--to {to}: {bucket!r} is not a bucket name", hint="Write s3://BUCKET/KEY.")
    folder = is_folder(to)
    if folder and not name:
        raise InvalidRouteError(
            f"{source.uri} has no name, but {to} is a folder", hint="Give the source a name: --as NAME"
        )
    target = Target(bucket, key + name if folder else key) if is_object else Path(to, name) if folder else Path(to)
    if _same(source, target):
        raise InvalidRouteError(f"{to} is the source itself", hint="Choose another destination.")
    return target


def _same(source: Source, target: Target | Path) -> bool:
    if isinstance(target, Target):
        return source.uri == target.uri
    return (
        isinstance(source, ExternalSource)
        and target.exists()
        and os.path.realpath(source.location) == str(target.resolve())
    )


def _named(routes: Routes, name: str, file: str) -> Route:
    found = next((route for route in routes.routes if route.name == name), None)
    if found is None:
        raise InvalidRouteError(
            f"{file}: no route is named {name!r}", hint="List the routes with `penstock routes check`."
        )
    return found


def _pipe(text: str, route: Route) -> PipeSource | None:
    """Open standard input; it is read twice if columns are inferred from its beginning."""
    if text != STANDARD_INPUT:
        return None
    inferred = route.plan is not None and not all(table.columns and not table.grows for table in tables_of(route.plan))
    return PipeSource(STDIN, UNKNOWN, replay=inferred)
