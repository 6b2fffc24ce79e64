"""What would happen to a source, by S3, a stack and a routes file. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.errors import PermanentError
from penstock.explain.explanation import (
    NAMES,
    Forecast,
    RouteMatch,
    SourcePreview,
    StackEnvironment,
    forecast,
    match_route,
    read_preview,
    too_long,
)
from penstock.model.job import Job
from penstock.model.object import Source, Target
from penstock.model.route import ONCE_CONTENT, TableTarget
from penstock.routes import Routes, check_target, destination_of
from penstock.run.loads import ExternalSource, RoutedObjectStore
from penstock.wiring.cli import CliClients, read_routes, stack_environment
from penstock.wiring.explain_archive import ArchivePreview, preview_archive
from penstock.wiring.source_resolver import SourceResolver, bucket_and_key

__all__ = ["CliClients", "Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The result of `explain`. ``file`` holds the routes. Without a ``match`` no route matches the source, and the
    fields after it are not set. ``problems`` are why the job would fail. ``archive``: the content of a source that
    is an archive by its name."""

    source: Source
    file: str
    routes: Routes
    environment: StackEnvironment
    match: RouteMatch | None = None
    target: Target | TableTarget | None = None
    preview: SourcePreview = field(default_factory=SourcePreview)
    forecast: Forecast | None = None
    problems: tuple[str, ...] = ()
    archive: ArchivePreview | None = None


def explain(clients: CliClients, text: str, *, as_key: str, file: str, stack: str, memory: int) -> Explanation:
    """Explain a source. ``text`` is s3://, another URI or a path. ``memory`` in bytes takes precedence over that of the
    stack or the template.

    Raises InvalidRouteError for bad routes, SourceGoneError, and the errors of S3 and CloudFormation.
    """
    environment = stack_environment(clients, stack, memory)
    routes_file, routes = read_routes(clients, file or environment.routes_uri, environment.names, environment.buckets)
    objects = S3ObjectStore(clients.s3(environment.budget), environment.budget)
    bucket, key = bucket_and_key(text, routes.source_bucket)
    resolved = SourceResolver(lambda: objects).find(text, (bucket, as_key or key))
    source = resolved.source
    found = match_route(routes, source.bucket, as_key or source.key)
    with cli_errors(f"s3:GetObject on {source.uri}", again=RUN_AGAIN, by_route=True):
        archive = preview_archive(objects, resolved, found.route if found else None, routes, environment)
    if found is None:
        return Explanation(source, routes_file, routes, environment, archive=archive)
    if found.route.takes_apart:
        refused = (archive.problem,) if archive and archive.problem else ()
        members = destination_of(found.route, source)
        return Explanation(source, routes_file, routes, environment, found, members, problems=refused, archive=archive)
    with cli_errors(f"s3:GetObject on {source.uri}", again=RUN_AGAIN, by_route=True):
        preview = read_preview(
            RoutedObjectStore(lambda: objects, resolved.content), source, found.route, environment.budget
        )
        if found.route.once == ONCE_CONTENT and not isinstance(source, ExternalSource):
            head = objects.head(source.bucket, source.key)
            preview = replace(preview, checksum=head.crc64nvme if head else "")
    target = destination_of(found.route, source)
    problems = [problem for problem in (preview.problem, _refused(routes, found, source, target)) if problem]
    expected = None
    try:
        expected = forecast(Job(source, found.route, target), preview, environment)
        problems += [problem for problem in (too_long(expected, found.route, environment),) if problem]
    except PermanentError as error:
        problems.append(str(error))
    return Explanation(
        source, routes_file, routes, environment, found, target, preview, expected, tuple(problems), archive
    )


def _refused(routes: Routes, found: RouteMatch, source: Source, target: Target | TableTarget) -> str:
    """Return why the destination would be refused. A placeholder for a name of the stack is accepted."""
    places = [place for place in Job(source, found.route, target).places if place.bucket not in NAMES]
    try:
        for place in places:
            routes.refuse_loop(found.route, source, place)
            check_target(found.route, place)
    except PermanentError as error:
        return str(error)
    remedies = " ".join(routes.buckets.remedies(source.bucket, places))
    return remedies and f"the functions have no right to a bucket. {remedies}"
