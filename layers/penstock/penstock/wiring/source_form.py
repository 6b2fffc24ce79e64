"""Rejects of a job in the form of its source: the route, and the bytes of the source."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from dataclasses import replace
from functools import partial

from penstock.aws.cli_errors import cli_errors
from penstock.delivery.decoding import Decoding
from penstock.destinations.bucket.object_store import S3ObjectStore
from penstock.errors import InvalidRouteError, SourceGoneError, UnknownJobError
from penstock.formats import ReadLimits, is_settled, resolve
from penstock.limits import MIB, Budget
from penstock.model.job_status import JobStatus
from penstock.model.object import Source
from penstock.model.route import Route
from penstock.model.source import ByteSource
from penstock.operations.source_form import SourceForm
from penstock.wiring.cli import CliClients, read_routes, stack_environment
from penstock.wiring.source_resolver import SourceResolver

MEMORY = 1024 * MIB


def source_form(clients: CliClients, stack: str, status: JobStatus, *, routes: str = "", copy: str = "") -> SourceForm:
    """Return what writes rejects of a job in the form of its source.

    ``routes``: a routes file instead of that of the stack; ``copy``: a file or URI with the bytes of the source.
    Raises InvalidRouteError if the route is gone or leads to no table, UnknownJobError for a job whose record lacks its
    source, and the errors of reading the routes.
    """
    source = status.upload
    if source is None:
        raise UnknownJobError(f"the record of job {status.job_id} lacks its source", hint="Leave --as-source out.")
    route = _route(clients, stack, status, source, routes)
    assert route.plan  # noqa: S101  # for mypy
    options = resolve(source.key, route.plan.parse)
    if not is_settled(options):
        options = replace(options, records_at=(0,) * len(options.records.split(".")))  # it is refused for its format
    budget = Budget.of(MEMORY)
    content = _content(S3ObjectStore(clients.s3(budget), budget), status, source, copy)
    limits = ReadLimits.within(MEMORY, shutil.disk_usage(tempfile.gettempdir()).free)

    def pieces(content: ByteSource) -> Generator[bytes, None, None]:
        yield from Decoding(source, content, route, budget).pieces()

    return SourceForm(options, partial(pieces, content) if content else None, limits)


def _route(clients: CliClients, stack: str, status: JobStatus, source: Source, uri: str) -> Route:
    environment = stack_environment(clients, stack)
    file, routes = read_routes(clients, uri or environment.routes_uri, environment.names, environment.buckets)
    named = next((route for route in routes.routes if route.name == status.route), None)
    route = named or routes.find(source.bucket, source.key)
    if route is None:
        raise InvalidRouteError(
            f"{file}: there is no route {status.route!r}, and none matches {source.key!r}",
            hint="Give the routes of the job: --routes FILE",
        )
    if route.plan is None:
        raise InvalidRouteError(f"{file}: route {route.name!r} does not lead to a table: it rejects no records")
    return route


def _content(objects: S3ObjectStore, status: JobStatus, source: Source, copy: str) -> ByteSource | None:
    """Return the bytes of the source; None if it is gone. Raises SourceGoneError for another size of a copy."""
    if copy:
        found = SourceResolver(lambda: objects).find(copy, (source.bucket, source.key))
        if status.size and found.size not in (None, status.size):
            raise SourceGoneError(
                f"{copy} has {found.size:,} bytes, but the source of the job had {status.size:,}",
                hint="Give a copy of the same version.",
            )
        return found.content or objects.open_source(found.source)
    if source.member:
        return None
    if moved := status.location:
        source = replace(source, key=moved.key, etag=moved.etag, version_id=moved.version_id)
    with cli_errors(f"s3:GetObject on {source.uri}"):
        head = objects.head(source.bucket, source.key, version_id=source.version_id)
    if head is None or (source.etag and head.etag.strip('"') != source.etag.strip('"')):
        return None
    return objects.open_source(source)
