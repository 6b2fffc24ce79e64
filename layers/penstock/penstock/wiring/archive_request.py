"""Which sources a run takes apart, and the archive in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from penstock.archives import archive_named
from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.aws.secret_passwords import SecretPasswords
from penstock.delivery.member_store import MemberObjects
from penstock.destinations.parquet.destination import PARQUET, PREFIX, is_file_name
from penstock.errors import InvalidRouteError
from penstock.model.object import Source, archive_of
from penstock.model.route import FAIL, Route
from penstock.routes import Routes
from penstock.run.archive_source import ArchiveSource
from penstock.run.destination_spec import DestinationSpec
from penstock.run.loads import RoutedObjectStore
from penstock.run.local_source import FileSource
from penstock.wiring.member_routes import OneDestination, OwnRoutes
from penstock.wiring.run import Runner, RunOptions
from penstock.wiring.run_archive import PreparedArchive
from penstock.wiring.run_request import RunRequest, is_folder
from penstock.wiring.source_resolver import STANDARD_INPUT, ResolvedSource, bucket_and_key


def prepare_by_destination(
    runner: Runner, text: str, as_key: str, spec: DestinationSpec, options: RunOptions
) -> PreparedArchive | None:
    """Find the archive that a run takes apart; None if the source is none by its name, or goes to one file or object.

    Raises InvalidRouteError for options of members if there is none, and the errors of finding and opening the source.
    """
    bucket, key = bucket_and_key(text, "")
    key = as_key or key
    route = spec.route()
    if archive_named(key) is None or not _takes_members(route) or not _can_be_entered(text):
        if options.members or options.fail_fast:
            raise InvalidRouteError(
                f"{text} to {spec.to}: no archive is taken apart, so the options for members mean nothing",
                hint="An archive is a file or an object named .zip or .tar, and goes to FOLDER/, PREFIX/ or a table. "
                "Save one from standard input or the web to a file first.",
            )
        return None
    if route.store == PARQUET.name and route.plan and route.plan.table and is_file_name(route.plan.table.name):
        raise InvalidRouteError(
            f"{text} is an archive, and each of its members would write the one file {route.plan.table.name}",
            hint=f"Name a folder for the files: --to {PREFIX}FOLDER/",
        )
    archive = _open(runner, runner.resolver.find(text, (bucket, key)), route)
    members = OneDestination(archive.source, route, options.members)
    return PreparedArchive(runner, archive, options, members, options.fail_fast)


def prepare_by_route(runner: Runner, request: RunRequest, options: RunOptions) -> PreparedArchive | None:
    """Open the archive of a request whose route takes archives apart; None if the route does not.

    Raises InvalidRouteError if the source is no archive by its name, or no file or object; and as `_open`.
    """
    route, resolved = request.route, request.resolved
    if not route.takes_apart or request.routes is None:
        return None
    entered = resolved.content is None or isinstance(resolved.content, FileSource)
    if archive_named(resolved.source.key) is None or not entered:
        raise InvalidRouteError(
            f"{resolved.source.uri}: route {route.name!r} takes archives apart, but this is no file or object with the "
            "name of an archive",
            hint="Give a file or an object named .zip or .tar, or the name of one with --as.",
        )
    archive = replace(_open(runner, resolved, route, request.routes), routes=request.routes)
    members = OwnRoutes(archive.source, route, request.routes)
    return PreparedArchive(runner, archive, options, members, route.on_member_failure == FAIL)


def _open(runner: Runner, resolved: ResolvedSource, route: Route, routes: Routes | None = None) -> ArchiveSource:
    archive = archive_named(resolved.source.key)
    assert archive  # noqa: S101  # for mypy: the caller has checked the name
    store = RoutedObjectStore(lambda: runner.objects, resolved.content)
    objects = MemberObjects(store, runner.budget, passwords=_passwords(runner, route, routes))
    with cli_errors(f"running {resolved.source.uri}", again=RUN_AGAIN, by_route=routes is not None):
        return ArchiveSource(resolved.source, archive, objects, route).opened()


def _passwords(runner: Runner, route: Route, routes: Routes | None) -> Callable[[Source], bytes]:
    """Return what finds a password: that of the run, or else the one in the secret that the archive's route names."""
    secrets = SecretPasswords(runner.clients.secrets)

    def password(member: Source) -> bytes:
        archive = archive_of(member)
        own = routes.route_of(archive) if routes and archive.member else route
        return runner.password or (secrets(own.password_secret) if own and own.password_secret else b"")

    return password


def _takes_members(route: Route) -> bool:
    return route.plan is not None or (route.destination != STANDARD_INPUT and is_folder(route.destination))


def _can_be_entered(text: str) -> bool:
    """Local files and objects. A pipe and most other URIs can only be read in order, and once."""
    return text.startswith(("s3://", "file://")) or (text != STANDARD_INPUT and "://" not in text)
