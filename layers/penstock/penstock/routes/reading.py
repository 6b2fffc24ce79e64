"""routes.toml -> routes.

A destination is an object, a table, or a database whose tables a choice names:

    s3://bucket/key-template     postgresql:schema.table     dynamodb:table     postgresql
    parquet:s3://bucket/prefix-template/

A key template, and a prefix template, has these fields in braces:

    {key}     the source's key                      in/2026/sales.csv.gz
    {stem}    the key without compression suffix    in/2026/sales.csv
    {dir}     the key up to its last slash          in/2026/
    {name}    the key after its last slash          sales.csv.gz
    {base}    {name} without compression suffix     sales.csv
    {bucket} {year} {month} {day} {hour}            the source's bucket, and when S3 saw it (UTC)

For a member of an archive, {key} is the archive's key, a slash and the member's name, and there are three more:

    {archive} the archive's key                     in/2026/sales.zip
    {member}  the member's name                     june/north.csv.gz
    {member_base}  its last segment, as {base}      north.csv

Every destination may contain the stack's names: {source_bucket} {destination_bucket} {work_bucket} {records_table}.
The first two are the buckets that the stack has made. Without those, each is the only one that the stack was given.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from string import Formatter
from typing import Any

from penstock.codecs import CODECS, IDENTITY
from penstock.destinations import Destination, commits_later, examples, find_destination
from penstock.errors import DestinationLoopError, InvalidRouteError
from penstock.limits import S3
from penstock.model.route import (
    ARCHIVE_KEEP,
    ARCHIVE_MEMBERS,
    CONTINUE,
    DEFAULT_RATIO,
    FAIL,
    MEMBERS,
    ONCE_CONTENT,
    ONCE_KEY,
    ONCE_VERSION,
    ORDER_KEY,
    ORDER_TABLE,
    Route,
)
from penstock.model.s3_uri import S3_SCHEME
from penstock.model.table import Mode, TablePlan
from penstock.routes.after_actions import read_after, refuse_among_moved, refuse_unreachable
from penstock.routes.fields import Fields
from penstock.routes.matching import KEY_FIELDS, Routes, overlap
from penstock.routes.patterns import LONGEST
from penstock.routes.stack_buckets import NO_STACK, StackBuckets
from penstock.routes.tables import read_plan


def parse_routes(text: str, file: str, stack: Mapping[str, str], buckets: StackBuckets = NO_STACK) -> Routes:
    """Read and check routes.toml.

    ``file`` names the file in errors; ``stack`` has the stack's names, at least ``source_bucket``; ``buckets`` has all
    of its buckets. Raises InvalidRouteError, which names file, route and field, and DestinationLoopError if a route
    could trigger a route.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # tomllib also raises these for huge integers and deep nesting
        raise InvalidRouteError(f"{file}: not TOML: {error}") from error
    if unknown := set(document) - {"route"}:
        raise InvalidRouteError(f"{file}: unknown table {min(unknown)!r}; routes are [[route]] tables")
    tables = document.get("route")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise InvalidRouteError(f"{file}: no [[route]] table")
    routes = tuple(_route(table, number, file, stack) for number, table in enumerate(tables, start=1))
    names = [route.name for route in routes]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InvalidRouteError(f"{file}: two routes are named {min(repeated)!r}")
    for route in routes:
        refuse_unreachable(route, routes, file)
        if route.is_for_members:
            _refuse_without_members(route, routes, file)
        if commits_later(route.store):
            _refuse_members(route, routes, file)
        if route.templates:
            for bucket in buckets.sources or (stack["source_bucket"],):
                refuse_among_moved(route, routes, file, bucket)
                _refuse_possible_loop(route, routes, file, bucket)
    return Routes(routes, stack["source_bucket"] or (*buckets.sources, "")[0], buckets)


def _route(table: Mapping[str, Any], number: int, file: str, stack: Mapping[str, str]) -> Route:
    name = table.get("name")
    label = f"{file}: route {name!r}" if isinstance(name, str) and name else f"{file}: route {number}"
    fields = Fields(table, label, "a route")
    archive = fields.choice("archive", (ARCHIVE_MEMBERS, ARCHIVE_KEEP), "") if fields.has("archive") else ""
    read = _read_members if archive == ARCHIVE_MEMBERS else _read_destination
    route = read(fields, stack, archive)
    fields.refuse_unknown()
    return route


def _read_members(fields: Fields, stack: Mapping[str, str], archive: str) -> Route:  # noqa: ARG001  # as the other one
    """Read a route that takes archives apart."""
    for field in ("destination", "table", "choice", "parse", "max_rejects"):
        if fields.has(field):
            raise fields.complain(field, f'is not for archive = "{ARCHIVE_MEMBERS}": each member finds its own route')
    return Route(
        name=fields.text("name"),
        match=_patterns(fields, "match"),
        destination="",
        source_bucket=fields.text("source_bucket", "*"),
        codec=fields.choice("codec", ("auto", *CODECS), "auto"),
        max_ratio=fields.number("max_ratio", DEFAULT_RATIO),
        max_bytes=fields.size("max_bytes", S3.max_object),
        store=MEMBERS,
        archive=archive,
        members=_patterns(fields, "members") if fields.has("members") else (),
        on_member_failure=fields.choice("on_member_failure", (CONTINUE, FAIL), CONTINUE),
        password_secret=fields.text("password_secret") if fields.has("password_secret") else "",
        after=read_after(fields),
        once=fields.choice("once", (ONCE_VERSION, ONCE_KEY, ONCE_CONTENT), ONCE_VERSION),
    )


def _read_destination(fields: Fields, stack: Mapping[str, str], archive: str) -> Route:
    """Read a route with a destination of its own."""
    for field in ("members", "on_member_failure", "password_secret"):
        if fields.has(field):
            raise fields.complain(field, f'is for archive = "{ARCHIVE_MEMBERS}"')
    destination, kind = _destination(fields, stack)
    codec = fields.choice("codec", ("auto", *CODECS), "auto")
    if archive == ARCHIVE_KEEP:
        _check_keep(fields, kind, codec)
        codec = IDENTITY.name
    plan = read_plan(fields, kind, destination.partition(":")[2]) if kind.takes_rows else None
    if plan and kind.has_places:
        plan = plan.placed({table.name: _place(fields, table.name, stack) for table in plan.tables})
    return Route(
        name=fields.text("name"),
        match=_patterns(fields, "match"),
        destination=destination,
        source_bucket=fields.text("source_bucket", "*"),
        codec=codec,
        max_ratio=fields.number("max_ratio", DEFAULT_RATIO),
        max_bytes=fields.size("max_bytes", S3.max_object),
        store=kind.name,
        plan=plan,
        archive=archive,
        after=read_after(fields),
        once=fields.choice("once", (ONCE_VERSION, ONCE_KEY, ONCE_CONTENT), ONCE_VERSION),
        order=_order(fields, plan),
    )


def _order(fields: Fields, plan: TablePlan | None) -> str:
    order = fields.choice("order", (ORDER_KEY, ORDER_TABLE), ORDER_KEY)
    if order == ORDER_TABLE and not (plan and all(table.mode is Mode.REPLACE for table in plan.tables)):
        raise fields.complain("order", f'"{ORDER_TABLE}" is for tables with mode = "{Mode.REPLACE}"')
    return order


def _check_keep(fields: Fields, kind: Destination, codec: str) -> None:
    if kind.takes_rows:
        raise fields.complain("archive", f'"{ARCHIVE_KEEP}" copies an object, and {kind.name} takes rows')
    if codec not in ("auto", IDENTITY.name):
        raise fields.complain("codec", f'is not for archive = "{ARCHIVE_KEEP}", which decodes nothing')


def _patterns(fields: Fields, field: str) -> tuple[str, ...]:
    patterns = fields.texts(field)
    longest = max(map(len, patterns))
    if longest > LONGEST:
        raise fields.complain(field, f"a pattern has {longest:,} characters; the maximum is {LONGEST:,}")
    return patterns


def _destination(fields: Fields, stack: Mapping[str, str]) -> tuple[str, Destination]:
    """Return the template with the stack's names filled in, and its kind; the remaining fields are KEY_FIELDS."""
    value = fields.text("destination")
    found = find_destination(value)
    if found is None or not found.is_whole(value):
        raise fields.complain("destination", f"must look like {examples()}, not {value!r}")
    return _filled(fields, value, stack, () if found.takes_rows and not found.has_places else KEY_FIELDS), found


def _filled(fields: Fields, value: str, stack: Mapping[str, str], of_keys: tuple[str, ...]) -> str:
    """Return a template with the stack's names filled in, after a check of all its fields."""
    known = of_keys + tuple(stack)
    try:
        pieces = list(Formatter().parse(value))
    except ValueError as error:
        raise fields.complain("destination", f"{value!r}: {error}") from error
    for _, name, spec, conversion in pieces:
        if name is not None and (name not in known or spec or conversion):
            raise fields.complain("destination", f"unknown field {{{name}}}; known are {', '.join(known)}")
    for _, name, _, _ in pieces:
        if name in ("source_bucket", "destination_bucket") and not stack[name]:
            raise fields.complain(
                "destination",
                f"{{{name}}} stands for no bucket: the stack has made none, and was not given exactly one. "
                "Write the name of the bucket",
            )
    for name, meaning in stack.items():
        value = value.replace(f"{{{name}}}", meaning)
    return value


def _place(fields: Fields, name: str, stack: Mapping[str, str]) -> str:
    """Return the template of a prefix, with a slash at its end."""
    field = "choice" if fields.has("choice") else "destination"
    if not name.startswith(S3_SCHEME) or not name.removeprefix(S3_SCHEME).partition("/")[0]:
        raise fields.complain(field, f"{name!r} must be the URI of a prefix, such as s3://bucket/prefix/")
    if name.endswith(".parquet"):
        raise fields.complain(field, f"{name!r} must be a prefix: a job may write several files, and names them itself")
    return _filled(fields, f"{name.rstrip('/')}/", stack, KEY_FIELDS)


def _refuse_members(route: Route, routes: Iterable[Route], file: str) -> None:
    """Refuse a pattern that only members of archives have, for a destination that takes none."""
    archives = [f"{pattern}/*" for other in routes if other.takes_apart for pattern in other.match]
    for pattern in route.match:
        if any(fnmatchcase(pattern, archive) for archive in archives):
            raise InvalidRouteError(
                f"{file}: route {route.name!r}: match: {pattern!r} is for members of archives, which have no commit of "
                f"their own in {route.destination}",
                hint="Unpack the archives into a bucket, by a route of its own, and load the files from there.",
            )


def _refuse_without_members(route: Route, routes: Iterable[Route], file: str) -> None:
    """Raises InvalidRouteError if no archive of these routes can have a member that the route matches."""
    archives = [f"{pattern}/*" for other in routes if other.takes_apart for pattern in other.match]
    if not any(overlap(pattern, members) for pattern in route.match for members in archives):
        raise InvalidRouteError(
            f"{file}: route {route.name!r}: destination: has fields of a member, but no route with "
            f'archive = "{ARCHIVE_MEMBERS}" has archives whose members it matches'
        )


def _refuse_possible_loop(route: Route, routes: Iterable[Route], file: str, source_bucket: str) -> None:
    for template in route.templates:
        bucket, _, key = re.sub(r"\{\w+\}", "*", template).removeprefix(S3_SCHEME).partition("/")
        _refuse_key(route, routes, file, source_bucket, bucket=bucket, key=key)


def _refuse_key(route: Route, routes: Iterable[Route], file: str, source_bucket: str, *, bucket: str, key: str) -> None:
    for other in routes:
        if not (fnmatchcase(source_bucket, bucket) and fnmatchcase(source_bucket, other.source_bucket)):
            continue
        if other.is_for_members:  # what is written is an object
            continue
        if any(overlap(key, pattern) for pattern in other.match):
            raise DestinationLoopError(
                f"{file}: route {route.name!r}: destination: could be written to the source bucket {source_bucket} "
                f"under a key that matches route {other.name!r} again"
            )
