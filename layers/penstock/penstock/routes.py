"""routes.toml -> routes, and which route takes a key.

A destination is a template, ``s3://bucket/key`` with these fields in braces:

    {key}     the source's key                      in/2026/sales.csv.gz
    {stem}    the key without compression suffix    in/2026/sales.csv
    {dir}     the key up to its last slash          in/2026/
    {name}    the key after its last slash          sales.csv.gz
    {base}    {name} without compression suffix     sales.csv
    {bucket} {year} {month} {day} {hour}            the source's bucket, and when S3 saw it (UTC)
    {source_bucket} {destination_bucket} {work_bucket}   the stack's buckets
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from string import Formatter
from typing import Any

from penstock.codecs import CODECS, strip_suffix
from penstock.errors import DestinationLoopError, InvalidRouteError
from penstock.limits import GIB, KIB, MIB, S3, TIB
from penstock.model import DEFAULT_RATIO, Route, Source, Target

STACK_FIELDS = ("source_bucket", "destination_bucket", "work_bucket")
KEY_FIELDS = ("key", "stem", "dir", "name", "base", "bucket", "year", "month", "day", "hour")
UNITS = {"B": 1, "KIB": KIB, "MIB": MIB, "GIB": GIB, "TIB": TIB, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Routes:
    """All routes, in order. ``source_bucket`` is the one whose events arrive here."""

    routes: tuple[Route, ...]
    source_bucket: str

    def find(self, bucket: str, key: str) -> Route | None:
        """The first route that matches, or None."""
        return next((route for route in self.routes if takes(route, bucket, key)), None)

    def refuse_loop(self, route: Route, target: Target) -> None:
        """Raises DestinationLoopError when the object to be written would be routed again."""
        if target.bucket == self.source_bucket and (again := self.find(target.bucket, target.key)):
            raise DestinationLoopError(
                f"route {route.name!r}: destination: {target.uri} lies in the source bucket "
                f"and would be taken by route {again.name!r} again"
            )


def takes(route: Route, bucket: str, key: str) -> bool:
    """Whether a route matches: shell patterns, case-sensitive, ``*`` crosses slashes."""
    return fnmatchcase(bucket, route.source_bucket) and any(fnmatchcase(key, pattern) for pattern in route.match)


def render_target(route: Route, source: Source) -> Target:
    """Where this source goes. Raises InvalidRouteError when the key is empty or longer than S3 allows."""
    when = datetime.fromisoformat(source.event_time) if source.event_time else datetime.now(UTC)
    when = when.astimezone(UTC)
    cut = source.key.rfind("/") + 1
    fields = {
        "key": source.key,
        "stem": strip_suffix(source.key),
        "dir": source.key[:cut],
        "name": source.key[cut:],
        "base": strip_suffix(source.key[cut:]),
        "bucket": source.bucket,
        "year": f"{when:%Y}",
        "month": f"{when:%m}",
        "day": f"{when:%d}",
        "hour": f"{when:%H}",
    }
    bucket, _, key = route.destination.removeprefix("s3://").partition("/")
    return Target(bucket.format_map(fields), key.format_map(fields))


def check_target(route: Route, target: Target) -> None:
    """Raises InvalidRouteError when S3 could not hold an object under this name."""
    length = len(target.key.encode())
    if not 1 <= length <= S3.max_key:
        raise InvalidRouteError(
            f"route {route.name!r}: destination: the key would be {length:,} bytes long, S3 takes 1 to {S3.max_key:,}"
        )
    if not BUCKET_NAME.fullmatch(target.bucket):
        raise InvalidRouteError(f"route {route.name!r}: destination: {target.bucket!r} is not a bucket name")


def parse_routes(text: str, where: str, buckets: Mapping[str, str]) -> Routes:
    """Read and check routes.toml.

    ``where`` names the file in errors; ``buckets`` gives the STACK_FIELDS. Raises InvalidRouteError naming
    file, route and field, and DestinationLoopError when a route could trigger a route again.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRouteError(f"{where}: not TOML: {error}") from error
    if unknown := set(document) - {"route"}:
        raise InvalidRouteError(f"{where}: unknown table {min(unknown)!r}; routes are [[route]] tables")
    tables = document.get("route")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise InvalidRouteError(f"{where}: no [[route]] table")
    routes = tuple(_route(table, number, where, buckets) for number, table in enumerate(tables, start=1))
    names = [route.name for route in routes]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InvalidRouteError(f"{where}: two routes are named {min(repeated)!r}")
    for route in routes:
        _refuse_possible_loop(route, routes, where, buckets["source_bucket"])
    return Routes(routes, buckets["source_bucket"])


def _route(table: Mapping[str, Any], number: int, where: str, buckets: Mapping[str, str]) -> Route:
    fields = _Fields(table, where, number)
    route = Route(
        name=fields.text("name"),
        match=fields.patterns("match"),
        destination=fields.destination("destination", buckets),
        source_bucket=fields.text("source_bucket", "*"),
        codec=fields.choice("codec", ("auto", *CODECS), "auto"),
        max_ratio=fields.number("max_ratio", DEFAULT_RATIO),
        max_bytes=fields.size("max_bytes", S3.max_object),
    )
    fields.refuse_unknown()
    return route


class _Fields:
    """One route's table, read field by field; every complaint names the route and the field."""

    def __init__(self, table: Mapping[str, Any], where: str, number: int) -> None:
        self.table = table
        self.seen: set[str] = set()
        name = table.get("name")
        self.label = f"{where}: route {name!r}" if isinstance(name, str) and name else f"{where}: route {number}"

    def complain(self, field: str, problem: str) -> InvalidRouteError:
        return InvalidRouteError(f"{self.label}: {field}: {problem}")

    def get(self, field: str, default: object = None) -> object:
        self.seen.add(field)
        value = self.table.get(field, default)
        if value is None:
            raise self.complain(field, "is missing")
        return value

    def text(self, field: str, default: str | None = None) -> str:
        value = self.get(field, default)
        if not isinstance(value, str) or not value:
            raise self.complain(field, f"must be a non-empty string, not {value!r}")
        return value

    def patterns(self, field: str) -> tuple[str, ...]:
        value = self.get(field)
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not values or not all(isinstance(v, str) and v for v in values):
            raise self.complain(field, f"must be a pattern or a list of patterns, not {value!r}")
        return tuple(values)

    def choice(self, field: str, allowed: Iterable[str], default: str) -> str:
        value = self.text(field, default)
        if value not in (allowed := tuple(allowed)):
            raise self.complain(field, f"must be one of {', '.join(allowed)}, not {value!r}")
        return value

    def number(self, field: str, default: float) -> float:
        value = self.get(field, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1:
            raise self.complain(field, f"must be a number of at least 1, not {value!r}")
        return float(value)

    def size(self, field: str, default: int) -> int:
        value = self.get(field, default)
        if isinstance(value, str) and (match := re.fullmatch(r"(\d+)\s*([A-Za-z]+)", value.strip())):
            count, unit = int(match[1]), UNITS.get(match[2].upper())
            value = count * unit if unit else value
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.complain(field, f'must be bytes or a size such as "10 GiB", not {value!r}')
        return value

    def destination(self, field: str, buckets: Mapping[str, str]) -> str:
        """The template with the stack's buckets filled in; what is left are KEY_FIELDS."""
        value = self.text(field)
        if not re.fullmatch(r"s3://[^/]+/.+", value):
            raise self.complain(field, f"must look like s3://bucket/key, not {value!r}")
        try:
            pieces = list(Formatter().parse(value))
        except ValueError as error:
            raise self.complain(field, f"{value!r}: {error}") from error
        for _, name, spec, conversion in pieces:
            if name is None:
                continue
            if name not in (*STACK_FIELDS, *KEY_FIELDS) or spec or conversion:
                raise self.complain(
                    field, f"unknown field {{{name}}}; known are {', '.join(KEY_FIELDS + STACK_FIELDS)}"
                )
        for name in STACK_FIELDS:
            value = value.replace(f"{{{name}}}", buckets[name])
        return value

    def refuse_unknown(self) -> None:
        if unknown := sorted(set(self.table) - self.seen):
            raise self.complain(unknown[0], f"is not a field of a route; known are {', '.join(sorted(self.seen))}")


def _refuse_possible_loop(route: Route, routes: Iterable[Route], where: str, source_bucket: str) -> None:
    bucket, _, key = re.sub(r"\{\w+\}", "*", route.destination).removeprefix("s3://").partition("/")
    for other in routes:
        if not (fnmatchcase(source_bucket, bucket) and fnmatchcase(source_bucket, other.source_bucket)):
            continue
        if any(overlap(key, pattern) for pattern in other.match):
            raise DestinationLoopError(
                f"{where}: route {route.name!r}: destination: could be written to the source bucket {source_bucket} "
                f"under a key that route {other.name!r} takes again"
            )


def overlap(one: str, other: str) -> bool:
    """Whether some text matches both shell patterns. A ``[...]`` set counts as any one character."""
    a, b = (re.sub(r"\[.[^\]]*\]", "?", pattern) for pattern in (one, other))
    # below[j]: whether a[i+1:] and b[j:] have a text in common; row by row from the end of a.
    below = [not b[j:].strip("*") for j in range(len(b) + 1)]
    for i in reversed(range(len(a))):
        row = [False] * (len(b) + 1)
        row[-1] = not a[i:].strip("*")
        for j in reversed(range(len(b))):
            if "*" in (a[i], b[j]):
                row[j] = below[j] or row[j + 1]
            else:
                row[j] = (a[i] == b[j] or "?" in (a[i], b[j])) and below[j + 1]
        below = row
    return below[0]
